"""What MindFormers says about a step in worker_<rank>.log, as numbers.

Graph mode (MFLossMonitor) says epoch and step of the epoch, PyNative (LossCallback) the step alone. Older releases
write `time:` for `per_step_time:` and put numbers in brackets. A field that is not there, or is no number, is None.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_NUMBER = r"[-+]?(?:\d+\.?\d*(?:[eE][-+]?\d+)?|nan|inf)"
_STEP = re.compile(r"(?:Epoch:\[\s*(\d+)/\s*(\d+)\],\s*)?step:\[\s*(\d+)/\s*(\d+)\]")
_LOSS = re.compile(rf"(?<![a-z_])loss:\s*\[?\s*({_NUMBER})(?=[\s,/\]])", re.IGNORECASE)
_TIME = re.compile(rf"(?:per_step_)?time:\s*({_NUMBER})\s*ms")
_RATE = re.compile(rf"\blr:\s*\[?\s*({_NUMBER})(?=[\s,\]])")
_NORM = re.compile(rf"(?:global_norm|grad_norm):?\s*\[?\s*({_NUMBER})\s*(?:[,\]}}]|$)")
_FLOPS = re.compile(rf"throughput(?:_per_npu)?:\s*({_NUMBER})T")
_OVERFLOW = re.compile(r"overflow cond:\s*\[?\s*(True|False)")
_SAMPLES = re.compile(rf"\|\s*({_NUMBER}) samples/s/p")


@dataclass(kw_only=True, slots=True, frozen=True)
class StepLine:
    """One step as a rank saw it."""

    step: int
    """Steps done, from the start of the training."""
    of: int
    loss: float | None
    """None too on a pipeline stage that is not the last: it prints 0, or N/A."""
    milliseconds: float | None
    rate: float | None
    norm: float | None
    """Global norm of the gradient."""
    teraflops: float | None
    """Of one NPU."""
    overflow: bool


def read_step(line: str, *, last_stage: bool = True) -> StepLine | None:
    """The step that a line reports, or None for any other line. `last_stage` says whether its loss is real."""
    found = _STEP.search(line)
    if found is None or ("per_step_time" not in line and "time:" not in line):
        return None
    epoch, epochs, step, steps = found.groups()
    done = int(step) + (int(epoch) - 1) * int(steps) if epoch else int(step)
    overflow = _OVERFLOW.search(line)
    return StepLine(
        step=done,
        of=int(steps) * (int(epochs) if epochs else 1),
        loss=_number(_LOSS, line) if last_stage else None,
        milliseconds=_number(_TIME, line),
        rate=_number(_RATE, line),
        norm=_finite(_number(_NORM, line)),
        teraflops=_number(_FLOPS, line),
        overflow=overflow is not None and overflow.group(1) == "True",
    )


def read_samples(line: str) -> float | None:
    """Samples per second of one NPU, from the progress bar after a step's line; None for any other line."""
    return _number(_SAMPLES, line)


def _number(pattern: re.Pattern[str], line: str) -> float | None:
    found = pattern.search(line)
    return None if found is None else float(found.group(1))


def _finite(value: float | None) -> float | None:
    """PyNative prints NaN for a norm that was not computed."""
    return value if value is not None and abs(value) < float("inf") else None
