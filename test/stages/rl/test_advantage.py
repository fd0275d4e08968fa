"""Advantages against a hand calculation."""

import numpy as np
import pytest

from stages.rl.advantage import group_advantages, has_spread, length_weighted_baseline, overlong_penalty


def test_the_baseline_weighs_rewards_by_length() -> None:
    # (10*1 + 30*0 + 60*0.5) / 100
    assert length_weighted_baseline(np.array([1.0, 0.0, 0.5]), np.array([10, 30, 60])) == pytest.approx(0.4)


def test_equal_lengths_give_the_mean() -> None:
    rewards = np.array([0.2, 0.4, 0.9])
    assert length_weighted_baseline(rewards, np.array([7, 7, 7])) == pytest.approx(0.5)


def test_lengths_of_zero_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one token"):
        length_weighted_baseline(np.array([1.0, 0.0]), np.array([0, 0]))


@pytest.mark.parametrize(
    ("baseline", "divide", "expected"),
    [
        ("length", False, [0.75, -0.25]),  # b2 = 20*1/80 = 0.25
        ("mean", False, [0.5, -0.5]),
        ("length", True, [1.5, -0.5]),  # deviation of (1, 0) is 0.5
        ("mean", True, [1.0, -1.0]),
    ],
)
def test_advantages(baseline: str, divide: bool, expected: list[float]) -> None:
    got = group_advantages(
        np.array([1.0, 0.0]), np.array([20, 60]), baseline=baseline, divide_by_deviation=divide
    )
    assert got == pytest.approx(expected)


def test_the_length_weighted_gradient_weight_of_a_group_is_zero() -> None:
    rng = np.random.default_rng(3)
    rewards, lengths = rng.random(8), rng.integers(1, 50, 8)
    got = group_advantages(rewards, lengths, baseline="length", divide_by_deviation=False)
    assert float(np.dot(got, lengths)) == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("divide", [True, False])
def test_a_group_without_spread_teaches_nothing(divide: bool) -> None:
    rewards = np.full(4, 0.3)
    assert not has_spread(rewards)
    got = group_advantages(rewards, np.array([1, 2, 3, 4]), baseline="length", divide_by_deviation=divide)
    assert got.tolist() == [0.0] * 4


@pytest.mark.parametrize(
    ("length", "expected"), [(1, 0.0), (80, 0.0), (81, -0.05), (90, -0.5), (100, -1.0), (130, -1.0)]
)
def test_the_overlong_penalty_falls_in_a_line(length: int, expected: float) -> None:
    assert overlong_penalty(length, longest=100, buffer=20) == pytest.approx(expected)


def test_no_buffer_no_penalty() -> None:
    assert overlong_penalty(100, longest=100, buffer=0) == 0.0
