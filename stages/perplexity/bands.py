"""Perplexity bands: low < middle < high < dropped, by absolute thresholds or by quantiles of a group."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from stages._worker.failures import UserError

BANDS = ("low", "middle", "high")


@dataclass(kw_only=True, slots=True, frozen=True)
class Thresholds:
    """A perplexity is low up to and including `low`, then middle, then high; above `high` it is dropped."""

    low: float
    middle: float
    high: float
    """Infinity drops nothing."""

    def band(self, perplexity: float) -> str | None:
        """Band of a document, or None when it is dropped. Intervals: low <= a < middle <= b < high < c <= dropped."""
        if perplexity <= self.low:
            return "low"
        if perplexity <= self.middle:
            return "middle"
        return "high" if perplexity < self.high else None

    def bands(self, perplexities: np.ndarray) -> np.ndarray:
        """Number of each one's band in BANDS, int8; len(BANDS) for a dropped one. The same as `band`."""
        found = np.full(len(perplexities), len(BANDS), np.int8)
        found[perplexities < self.high] = 2
        found[perplexities <= self.middle] = 1
        found[perplexities <= self.low] = 0
        return found

    def as_json(self) -> dict[str, float | None]:
        """JSON has no infinity: null stands for it."""
        return {
            "low": self.low,
            "middle": self.middle,
            "high": self.high if math.isfinite(self.high) else None,
        }


@dataclass(kw_only=True, slots=True, frozen=True)
class BandRule:
    """The `bands` of the stage's options."""

    mode: str
    low: float
    middle: float
    high: float
    sample: int = 4096
    """Documents of a group that the shards of a split stage take their quantiles from."""

    def __post_init__(self) -> None:
        if not self.low < self.middle < self.high:
            raise UserError(
                f"bands: expected low < middle < high, saw {self.low}, {self.middle}, {self.high}"
            )
        if self.mode == "quantile" and self.high > 1:
            raise UserError(f"bands: high is {self.high}, but quantiles end at 1")

    def thresholds(self, perplexities: np.ndarray) -> Thresholds:
        """Thresholds for the documents of one group."""
        if self.mode == "absolute":
            return Thresholds(low=self.low, middle=self.middle, high=self.high)
        low, middle, high = np.quantile(perplexities, (self.low, self.middle, min(self.high, 1.0)))
        return Thresholds(
            low=float(low), middle=float(middle), high=math.inf if self.high >= 1 else float(high)
        )
