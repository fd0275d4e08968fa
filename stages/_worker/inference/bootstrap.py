"""Bootstrap intervals over documents or items."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import bootstrap

_RESAMPLES = 9999
_AT_ONCE = 4_000_000  # numbers of the resamples that are in memory together


@dataclass(kw_only=True, slots=True, frozen=True)
class Interval:
    """A value with the 2.5 and 97.5 percentiles of its resamples."""

    value: float
    low: float
    high: float


def ratio_interval(sums: np.ndarray, counts: np.ndarray, *, seed: int, resamples: int = 1000) -> Interval:
    """sum(sums) / sum(counts), resampled over items: the mean loss a token, of documents of different lengths.

    With counts of 1 it is the mean over items.
    """
    stream = np.random.Generator(np.random.Philox(key=[seed, len(sums)]))
    chosen = stream.integers(0, len(sums), (resamples, len(sums)))
    values = sums[chosen].sum(axis=1) / np.maximum(counts[chosen].sum(axis=1), 1e-12)
    low, high = np.percentile(values, (2.5, 97.5))
    return Interval(value=float(sums.sum() / counts.sum()), low=float(low), high=float(high))


def gain_interval(before: np.ndarray, after: np.ndarray, *, seed: int, level: float = 0.95) -> Interval:
    """mean(after - before) over the same items, resampled over items (BCa): how much better one model is than another.

    Items on which both differ by the same have no spread to resample: the interval is then the value itself.
    """
    gains = np.asarray(after, np.float64) - np.asarray(before, np.float64)
    value = float(gains.mean())
    if np.ptp(gains) < 1e-12:
        return Interval(value=value, low=value, high=value)
    found = bootstrap(
        (gains,),
        np.mean,
        confidence_level=level,
        n_resamples=_RESAMPLES,
        batch=max(1, _AT_ONCE // len(gains)),
        method="BCa",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return Interval(value=value, low=float(found.low), high=float(found.high))
