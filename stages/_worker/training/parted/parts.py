"""Which rows of a batch a rank computes, and which of them at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stages._worker.failures import UserError


def parts_of(batch: int, *, micro_batch: int | None, rank: int, ranks: int) -> list[slice]:
    """Slices of the rows of a step. Rank r of d takes those congruent to r modulo d, `micro_batch` at a time.

    Raises UserError unless all parts are alike: every part has to fit the one compiled graph.
    """
    if batch % ranks:
        raise UserError(
            f"batch {batch} does not divide by {ranks} processes",
            hint=f"set trainer.processes to a divisor of {batch}",
        )
    rows = batch // ranks
    size = rows if micro_batch is None else micro_batch
    if rows % size:
        raise UserError(
            f"trainer.micro_batch is {size}: it has to divide the {rows} rows of a process (batch {batch}, "
            f"{ranks} processes)",
            hint="a part that is smaller than the others would compile a graph of its own",
        )
    return [slice(rank + first * ranks, (first + size) * ranks, ranks) for first in range(0, rows, size)]


def check_parts(options: Mapping[str, Any]) -> None:
    """Refuses the options `batch` and `trainer` of a stage that cannot be cut so, before anything is loaded."""
    trainer = options["trainer"]
    parts_of(options["batch"], micro_batch=trainer["micro_batch"], rank=0, ranks=trainer.get("processes", 1))
