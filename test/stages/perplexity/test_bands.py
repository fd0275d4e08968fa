import math

import numpy as np
import pytest

from stages._worker.failures import UserError
from stages.perplexity.bands import BandRule


def test_absolute_bands_close_below_and_drop_from_high_on() -> None:
    thresholds = BandRule(mode="absolute", low=5, middle=15, high=30).thresholds(np.zeros(0))
    bands = [thresholds.band(p) for p in (1, 5, 5.1, 15, 15.1, 29.9, 30, math.inf)]
    assert bands == ["low", "low", "middle", "middle", "high", "high", None, None]


def test_quantiles_of_1_drop_nothing_but_what_cannot_be_scored() -> None:
    perplexities = np.arange(1, 301, dtype=float)
    thresholds = BandRule(mode="quantile", low=1 / 3, middle=2 / 3, high=1).thresholds(perplexities)
    bands = [thresholds.band(p) for p in perplexities]
    assert [bands.count(band) for band in ("low", "middle", "high", None)] == [100, 100, 100, 0]
    assert thresholds.as_json()["high"] is None and thresholds.band(math.inf) is None


def test_a_quantile_below_1_drops_the_rest() -> None:
    thresholds = BandRule(mode="quantile", low=0.3, middle=0.6, high=0.9).thresholds(np.arange(100.0))
    assert [thresholds.band(p) for p in range(100)].count(None) == 10


@pytest.mark.parametrize("numbers", [(5, 5, 30), (15, 5, 30), (5, 15, 10)])
def test_thresholds_have_to_grow(numbers: tuple[float, float, float]) -> None:
    with pytest.raises(UserError, match="low < middle < high"):
        BandRule(mode="absolute", low=numbers[0], middle=numbers[1], high=numbers[2])


def test_quantiles_end_at_1() -> None:
    with pytest.raises(UserError, match="quantiles end at 1"):
        BandRule(mode="quantile", low=0.3, middle=0.6, high=30)
