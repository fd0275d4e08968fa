import json
import math

import pytest

from stages._worker.failures import NumericError
from stages._worker.training.parted.spike_guard import SpikeGuard, spike_guard

OPTIONS = {"factor": 2.0, "window": 3, "of": "loss", "action": "skip", "limit": 2}


def judged(guard: SpikeGuard, *losses: float, first: int = 0) -> list[bool]:
    """Whether each loss was a spike."""
    return [
        guard.judge(step, loss=loss, gradient_norm=1.0) is not None
        for step, loss in enumerate(losses, start=first)
    ]


def test_off_by_default() -> None:
    assert spike_guard({**OPTIONS, "factor": None}) is None


def test_the_median_is_that_of_values_that_passed() -> None:
    guard = spike_guard(OPTIONS)
    # 100 passes: the window is not full. Its median is 4, then [100, 5, 4] -> 5.
    assert judged(guard, 4.0, 100.0, 3.0, 8.1, 5.0, 10.1, 7.9) == [
        False,
        False,
        False,
        True,
        False,
        True,
        False,
    ]
    assert guard.skipped == [3, 5]


def test_a_value_that_is_no_number_is_a_spike_from_the_first_step() -> None:
    guard = spike_guard(OPTIONS)
    spike = guard.judge(0, loss=math.nan, gradient_norm=1.0)
    assert spike is not None and math.isnan(spike.value)
    assert guard.judge(1, loss=1.0, gradient_norm=math.inf) is not None


def test_more_skips_in_a_row_than_the_limit_end_the_attempt() -> None:
    guard = spike_guard(OPTIONS)
    assert judged(guard, 1, 1, 1, 9, 9, 1, 9, 9) == [False] * 3 + [True, True, False, True, True]
    with pytest.raises(
        NumericError, match=r"step 9: loss 9 is above 2, .* skip 3 in a row, spike\.limit is 2"
    ):
        guard.judge(8, loss=9.0, gradient_norm=1.0)


def test_back_ends_the_attempt_with_the_numeric_reason() -> None:
    guard = spike_guard({**OPTIONS, "action": "back", "of": "grad_norm"})
    for step in range(3):
        assert guard.judge(step, loss=50.0 * step, gradient_norm=1.0) is None
    with pytest.raises(NumericError, match=r"step 4: grad_norm 2\.5 is above 2") as ended:
        guard.judge(3, loss=1.0, gradient_norm=2.5)
    assert ended.value.reason == "nan_loss"


def test_a_restored_guard_decides_as_one_that_never_stopped() -> None:
    losses = [1.1, 0.3, 9.0, 0.7, 3.3, 0.9, 1.9, 2.2, 0.1, 1.8, 5.0, 0.6]
    whole = spike_guard(OPTIONS)
    expected = judged(whole, *losses)
    assert True in expected
    for cut in range(len(losses)):
        guard = spike_guard(OPTIONS)
        seen = judged(guard, *losses[:cut])
        again = spike_guard(OPTIONS)
        again.restore(json.loads(json.dumps(guard.as_json())))
        assert seen + judged(again, *losses[cut:], first=cut) == expected
        assert again.as_json() == whole.as_json()


def test_a_window_of_another_value_begins_anew() -> None:
    guard = spike_guard(OPTIONS)
    judged(guard, 1, 1, 1, 9)
    other = spike_guard({**OPTIONS, "of": "grad_norm"})
    other.restore(guard.as_json())
    assert other.skipped == [3] and other.as_json()["values"] == []
