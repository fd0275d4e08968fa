"""The learning rate: warm-up, stable, decay. Formulas of the recipe; src/recipe has the same ones."""

from __future__ import annotations

import math
from dataclasses import dataclass

from stages._worker.failures import UserError

SHAPES = ("linear", "cosine", "sqrt")


@dataclass(kw_only=True, slots=True, frozen=True)
class Schedule:
    """Steps count from 0 to `steps` - 1."""

    steps: int
    warmup: int
    """Steps up to the maximum; the first one has max / warmup."""
    decay: int
    """Steps down to the minimum; the last one has exactly `min`."""
    max: float
    min: float
    shape: str = "linear"

    def __post_init__(self) -> None:
        if self.shape not in SHAPES:
            raise UserError(f"schedule.shape is '{self.shape}': expected one of {', '.join(SHAPES)}")
        if self.warmup + self.decay > self.steps:
            raise UserError(
                f"schedule: warm-up {self.warmup} and decay {self.decay} are longer than {self.steps} steps"
            )
        if self.min > self.max:
            raise UserError(f"schedule: min {self.min} is above max {self.max}")

    def learning_rate(self, step: int) -> float:
        """The rate of one step."""
        if step < self.warmup:
            return self.max * (step + 1) / self.warmup
        if step < self.steps - self.decay:
            return self.max
        u = (step - (self.steps - self.decay) + 1) / self.decay
        if self.shape == "cosine":
            return self.min + (self.max - self.min) * (1 + math.cos(math.pi * u)) / 2
        if self.shape == "sqrt":
            return self.min + (self.max - self.min) * (1 - math.sqrt(u))
        return self.max - (self.max - self.min) * u
