"""Gates of the curriculum."""

import json

import pytest

from stages.rl.curriculum import Gate, Position, advance, ending_of


def gate(**changes) -> Gate:
    return Gate(**{"min_steps": 2, "max_steps": 20, "window": 2, **changes})


@pytest.mark.parametrize(
    ("rewards", "expected"),
    [
        ((0.9,), None),  # below the floor
        ((0.9, 0.9), "threshold"),
        ((0.9, 0.6), None),  # mean 0.75
        ((0.1, 0.7, 0.9), "threshold"),  # only the window counts: mean 0.8
    ],
)
def test_threshold(rewards: tuple[float, ...], expected: str | None) -> None:
    assert ending_of(gate(threshold=0.8), len(rewards), rewards) == expected


@pytest.mark.parametrize(
    ("rewards", "expected"),
    [
        ((0.5, 0.5, 0.5), None),  # two windows are needed
        ((0.5, 0.5, 0.5, 0.5), "plateau"),
        ((0.1, 0.2, 0.3, 0.4), None),  # rose by 0.2
        ((0.4, 0.4, 0.2, 0.2), "plateau"),  # fell
    ],
)
def test_plateau(rewards: tuple[float, ...], expected: str | None) -> None:
    assert ending_of(gate(plateau=0.05), len(rewards), rewards) == expected


def test_the_floor_holds_back_every_gate() -> None:
    assert ending_of(gate(min_steps=5, threshold=0.1, plateau=1.0), 4, (1.0,) * 4) is None


def test_the_ceiling_ends_a_level_that_learns_nothing() -> None:
    assert ending_of(gate(max_steps=3, threshold=0.9), 3, (0.0,) * 3) == "ceiling"


def test_a_window_longer_than_the_ceiling_leaves_the_ceiling() -> None:
    assert ending_of(gate(window=50, max_steps=3, threshold=0.1), 3, (1.0,) * 3) == "ceiling"


def test_advance_moves_to_the_next_level_and_records_the_end() -> None:
    position = Position()
    endings = []
    for reward in (0.2, 0.9, 0.9):
        position, ending = advance(position, gate(threshold=0.8), reward)
        endings.append(ending)
    assert endings == [None, None, "threshold"]
    assert (position.level, position.step, position.rewards) == (1, 0, ())
    assert position.ended == ({"level": 0, "steps": 3, "ending": "threshold", "reward": 0.9},)


def test_a_position_survives_the_checkpoint() -> None:
    position, _ = advance(Position(), gate(), 0.5)
    position, _ = advance(position, gate(max_steps=2), 0.7)
    position, _ = advance(position, gate(), 1 / 3)
    assert Position.from_json(json.loads(json.dumps(position.as_json()))) == position


@pytest.mark.parametrize("wrong", [{"min_steps": 30}, {"window": 0}, {"min_steps": 0, "max_steps": 0}])
def test_a_gate_that_cannot_be_met_is_refused(wrong: dict) -> None:
    with pytest.raises(ValueError, match="must"):
        gate(**wrong)


def test_a_position_holds_two_windows_of_rewards_and_no_more() -> None:
    position = Position()
    for step in range(10):
        position, _ = advance(position, gate(window=2), step / 10)
    assert position.rewards == (0.6, 0.7, 0.8, 0.9)
    assert position.step == 10
