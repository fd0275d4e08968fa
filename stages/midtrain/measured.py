"""What a mid-training reports in the end, whoever trained: the numbers that gates judge."""

from __future__ import annotations

from collections.abc import Mapping

from stages._worker.inference.bootstrap import Interval
from stages._worker.inference.heldout import training_metrics


def midtrain_metrics(
    before: Mapping[str, Interval], after: Mapping[str, Interval], *, tokens: int
) -> dict[str, float]:
    """Metrics of the stage from `HeldOut.measure` of the base model and of the trained one; `tokens` of all steps."""
    return (
        training_metrics(before["loss"], after["loss"], after)
        | {f"{name}_before": interval.value for name, interval in before.items() if name != "loss"}
        | {"tokens": tokens}
    )
