"""Bootstrap intervals over documents or items."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


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
