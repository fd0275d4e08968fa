"""Draws are bounded, and what was found is kept."""

from dataclasses import dataclass

import numpy as np
import pytest

from stages.rl.dynamic_sampling import draw_groups


@dataclass
class Answers:
    name: str
    rewards: np.ndarray


FLAT = np.array([0.0, 0.0])
MIXED = np.array([0.0, 1.0])


def groups(*kinds: np.ndarray):
    return [Answers(name=str(number), rewards=kind) for number, kind in enumerate(kinds)]


def test_one_draw_is_enough_when_all_groups_have_spread() -> None:
    drawn = draw_groups(lambda number, missing: groups(MIXED, MIXED), wanted=2, max_draws=5, enough=1.0)
    assert (drawn.draws, len(drawn.mixed), drawn.groups) == (1, 2, 2)


def test_flat_groups_are_drawn_again_and_the_missing_number_is_told() -> None:
    asked: list[tuple[int, int]] = []

    def draw(number: int, missing: int):
        asked.append((number, missing))
        return groups(MIXED, FLAT)

    drawn = draw_groups(draw, wanted=3, max_draws=9, enough=1.0)
    assert asked == [(0, 3), (1, 2), (2, 1)]
    assert len(drawn.mixed) == 3
    assert drawn.groups == 6


def test_the_bound_ends_a_search_that_finds_nothing() -> None:
    drawn = draw_groups(lambda number, missing: groups(FLAT), wanted=4, max_draws=3, enough=1.0)
    assert drawn.draws == 3
    assert drawn.short
    assert drawn.groups == 3


def test_what_is_there_at_the_bound_is_kept() -> None:
    drawn = draw_groups(lambda number, missing: groups(MIXED, FLAT), wanted=4, max_draws=2, enough=1.0)
    assert len(drawn.mixed) == 2
    assert not drawn.short


def test_enough_stops_early() -> None:
    drawn = draw_groups(lambda number, missing: groups(MIXED, FLAT), wanted=2, max_draws=9, enough=0.5)
    assert drawn.draws == 1


def test_groups_beyond_the_wanted_are_dropped_in_order() -> None:
    drawn = draw_groups(lambda n, m: groups(MIXED, MIXED, MIXED), wanted=2, max_draws=1, enough=1.0)
    assert [group.name for group in drawn.mixed] == ["0", "1"]


@pytest.mark.parametrize(("wanted", "max_draws"), [(0, 1), (1, 0)])
def test_bounds_below_one_are_refused(wanted: int, max_draws: int) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        draw_groups(lambda number, missing: [], wanted=wanted, max_draws=max_draws, enough=1.0)
