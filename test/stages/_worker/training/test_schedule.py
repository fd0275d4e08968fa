import math

import pytest

from stages._worker.failures import UserError
from stages._worker.training.schedule import SHAPES, Schedule

# The same numbers stand in test/recipe/wsd.test.ts.
EXPECTED = [0.25, 0.5, 0.75, 1, 1, 1, 1, 0.82, 0.64, 0.46, 0.28, 0.1]


def schedule(**changes: object) -> Schedule:
    return Schedule(
        **{"steps": 12, "warmup": 4, "decay": 5, "max": 1.0, "min": 0.1, "shape": "linear"} | changes
    )


def test_climbs_in_equal_parts_holds_and_ends_at_min() -> None:
    assert [schedule().learning_rate(t) for t in range(12)] == pytest.approx(EXPECTED, abs=1e-12)


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_ends_at_min_and_stays_below_max(shape: str) -> None:
    rates = [schedule(shape=shape).learning_rate(t) for t in range(12)]
    assert rates[-1] == pytest.approx(0.1, abs=1e-12)
    assert max(rates) == 1


def test_the_middle_of_the_curved_shapes() -> None:
    assert schedule(shape="cosine", decay=4).learning_rate(9) == pytest.approx(0.55, abs=1e-12)
    assert schedule(shape="sqrt", decay=4).learning_rate(9) == pytest.approx(0.1 + 0.9 * (1 - math.sqrt(0.5)))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"steps": 8}, "longer than 8 steps"),
        ({"min": 2.0}, "above max"),
        ({"shape": "step"}, "one of linear"),
    ],
)
def test_what_does_not_fit_is_refused(changes: dict, says: str) -> None:
    with pytest.raises(UserError, match=says):
        schedule(**changes)
