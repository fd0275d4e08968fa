"""Our rate of every step, and what WarmUpStableDecayLR computes from the YAML we write."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.mindformers_rate import FP32, theirs

from stages._worker.failures import UserError
from stages._worker.training.schedule import Schedule
from stages.midtrain.mindformers.warm_up_stable_decay import warm_up_stable_decay


@settings(max_examples=200, deadline=None)
@given(st.integers(2, 50), st.integers(0, 50), st.integers(0, 50), st.floats(1e-6, 1e-2), st.floats(0, 0.99))
def test_every_step_has_the_same_rate(warmup: int, stable: int, decay: int, top: float, share: float) -> None:
    schedule = Schedule(steps=warmup + stable + decay, warmup=warmup, decay=decay, max=top, min=top * share)
    config = warm_up_stable_decay(schedule)
    ours = [schedule.learning_rate(step) for step in range(schedule.steps)]
    assert [theirs(config, step) for step in range(schedule.steps)] == pytest.approx(
        ours, rel=0, abs=FP32 * top
    )


def test_the_recipe_over_all_its_steps() -> None:
    schedule = Schedule(steps=11921, warmup=2000, decay=4000, max=3e-4, min=3e-6)
    config = warm_up_stable_decay(schedule)
    for step in range(schedule.steps):
        assert theirs(config, step) == pytest.approx(schedule.learning_rate(step), rel=0, abs=FP32 * 3e-4)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"shape": "cosine"}, "cosine is not built"),
        ({"warmup": 1}, "0 / 0"),
        ({"warmup": 0}, "0 / 0"),
        ({"min": 1.0}, "not below max"),
    ],
)
def test_what_that_class_cannot_do_is_refused(change: dict, says: str) -> None:
    with pytest.raises(UserError, match=says) as caught:
        warm_up_stable_decay(
            Schedule(**{"steps": 20, "warmup": 2, "decay": 4, "max": 1.0, "min": 0.1} | change)
        )
    assert caught.value.hint


def test_a_warm_up_longer_than_the_run_is_refused() -> None:
    with pytest.raises(UserError, match="longer than 5 steps"):
        Schedule(steps=5, warmup=4, decay=2, max=1.0, min=0.1)
