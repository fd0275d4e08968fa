"""The spike guard: a loss far above what was usual costs the batch, not the weights.

The decision for a step is a function of the values of earlier steps, which are part of every checkpoint: a run
that goes on from one decides as if it had never stopped.
"""

from __future__ import annotations

import math
import statistics
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stages._worker.failures import NumericError


@dataclass(kw_only=True, slots=True, frozen=True)
class Spike:
    """A value that was too large."""

    value: float
    limit: float
    """Largest value that would have passed; infinite where the value is no finite number."""


class SpikeGuard:
    """Compares each value with `factor` times the median of the last `window` values that passed.

    Until so many have passed only values that are no finite numbers are spikes. `of` is `loss` or `grad_norm`;
    `action` is `skip` or `back`; more than `limit` skips in a row end the attempt.
    """

    def __init__(self, *, factor: float, window: int, action: str, limit: int, of: str) -> None:
        self.of = of
        self.skipped: list[int] = []
        """Steps whose batch was left out, all of them."""
        self._factor = factor
        self._action = action
        self._limit = limit
        self._values: deque[float] = deque(maxlen=window)
        self._in_row = 0

    def judge(self, step: int, *, loss: float, gradient_norm: float) -> Spike | None:
        """What step number `step` (from 0) measured; the spike to skip, or None to update the weights.

        Raises NumericError for a spike where `action` is `back`, and for one too many in a row.
        """
        spike = self._spike(loss, gradient_norm)
        if spike is None:
            self._values.append(loss if self.of == "loss" else gradient_norm)
            self._in_row = 0
            return None
        told = (
            f"step {step + 1}: {self.of} {spike.value:.6g} is above {spike.limit:.6g}, {self._factor:g} times the "
            f"median of the last {len(self._values)}"
        )
        if self._action == "back":
            raise NumericError(
                told,
                hint="the next attempt goes one checkpoint further back; the same machine computes the same spike "
                "again, so if it comes back `legalone fork` with spike.action skip or a lower schedule.max",
            )
        self._in_row += 1
        if self._in_row > self._limit:
            raise NumericError(
                f"{told}; it would be skip {self._in_row} in a row, spike.limit is {self._limit}",
                hint="the loss has left for good: `legalone fork` from an earlier step with a lower schedule.max",
            )
        self.skipped.append(step)
        return spike

    def as_json(self) -> dict[str, Any]:
        """For the checkpoint; JSON keeps every bit of the numbers."""
        return {
            "of": self.of,
            "values": list(self._values),
            "skipped": self.skipped,
            "inRow": self._in_row,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Goes on from `as_json`. After a fork that watches another value the window begins anew."""
        self.skipped = [int(step) for step in state["skipped"]]
        self._values.clear()
        self._in_row = 0
        if state["of"] == self.of:
            self._values.extend(state["values"])
            self._in_row = int(state["inRow"])

    def _spike(self, loss: float, gradient_norm: float) -> Spike | None:
        for value in (loss, gradient_norm):
            if not math.isfinite(value):
                return Spike(value=value, limit=math.inf)
        if len(self._values) < (self._values.maxlen or 0):
            return None
        value = loss if self.of == "loss" else gradient_norm
        limit = self._factor * statistics.median(self._values)
        return Spike(value=value, limit=limit) if value > limit else None


def spike_guard(options: Mapping[str, Any]) -> SpikeGuard | None:
    """The guard of a stage's option `spike`; None where `factor` is null."""
    return None if options["factor"] is None else SpikeGuard(**options)
