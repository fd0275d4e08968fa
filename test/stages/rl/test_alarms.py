"""Alarms of RL."""

import pytest

from stages.rl.alarms import Limits, Watch, forgotten, look

LIMITS = Limits(flat_steps=2, length_growth=2.0, entropy_below=0.1, clip_share_above=0.3, forgotten=0.1)


def steps(watch: Watch, *lengths: float, flat: bool = False, entropy: float = 1.0, clip: float = 0.0):
    found = []
    for length in lengths:
        found += look(watch, LIMITS, level="one", flat=flat, length=length, entropy=entropy, clip_share=clip)
    return [code for code, _ in found]


def test_a_healthy_level_is_silent() -> None:
    assert steps(Watch(), *range(10, 20)) == []


def test_no_spread_needs_steps_in_a_row() -> None:
    watch = Watch()
    assert steps(watch, 10, flat=True) == []
    assert steps(watch, 10) == []
    assert steps(watch, 10, flat=True) == []
    assert steps(watch, 10, flat=True) == ["no_spread"]


def test_length_is_held_against_the_start_of_the_level() -> None:
    watch = Watch()
    assert steps(watch, 10, 10, 10, 10, 10, 20) == []
    assert steps(watch, 21) == ["length"]


@pytest.mark.parametrize(("changes", "code"), [({"entropy": 0.05}, "entropy"), ({"clip": 0.4}, "clip_share")])
def test_measures_have_bounds(changes: dict, code: str) -> None:
    assert steps(Watch(), 10, **changes) == [code]


def test_an_alarm_is_raised_once_a_level() -> None:
    watch = Watch()
    assert steps(watch, 10, 10, 10, entropy=0.0) == ["entropy"]
    assert steps(Watch(**watch.as_json()), 10, entropy=0.0) == []


def test_forgetting() -> None:
    assert forgotten(0.8, 0.71, LIMITS, level="one") is None
    code, message = forgotten(0.8, 0.6, LIMITS, level="one")
    assert code == "forgotten"
    assert "0.800 to 0.600" in message
