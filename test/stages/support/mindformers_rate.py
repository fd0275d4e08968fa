"""WarmUpStableDecayLR of MindFormers 1.9.0 (core/lr/lr_schedule.py) in fp32, written from its documentation."""

from __future__ import annotations

from typing import Any

import numpy as np

FP32 = 3e-7
"""Its fp32 is off by up to this share of the highest rate: two and a half units in the last place."""


def theirs(config: dict[str, Any], step: int) -> float:
    """The rate of a step, from 0, by the `lr_schedule` of a YAML; AssertionError where that class divides 0 by 0."""
    f = np.float32
    warmup, start, at = f(config["warmup_steps"]), f(config["decay_start_steps"]), f(step)
    top, bottom = f(config["learning_rate"]), f(config["lr_end"])
    first = f(config["warmup_lr_init"])
    if warmup != 0 and warmup > at:
        return float(first + (top - first) * (at / warmup))
    if start > at:
        assert at != 0, "0 / 0"
        return float(top * at / at)
    length = f(config["total_steps"]) - start
    assert length != 0, "0 / 0"
    return float(top - (top - bottom) * ((at - start) / length))
