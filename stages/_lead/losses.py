"""How much of the work a teacher may lose before the stage is called failed."""

from __future__ import annotations

from stages._worker.failures import DataError


def check_losses(stage: str, lost: int, of: int, largest_share: float) -> None:
    """DataError when more than `largest_share` of the items got no usable reply, or all of them."""
    if lost and (lost > largest_share * of or lost == of):
        raise DataError(
            f"{stage}: {lost} of {of} items got no usable reply, more than max_lost_share {largest_share}",
            hint="look at responses.jsonl of the attempt: does the model answer in the form that is asked for?",
        )
