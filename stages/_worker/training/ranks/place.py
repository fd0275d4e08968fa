"""Which of the processes that train together this one is."""

from __future__ import annotations

import os
from pathlib import Path

RANKS = "LEGALONE_RANKS"
"""Set by the attempt that starts the ranks; msrun adds RANK_ID."""


def this_rank() -> tuple[int, int]:
    """(rank, ranks); (0, 1) for a process that trains alone."""
    ranks = int(os.environ.get(RANKS, "1"))
    return (int(os.environ["RANK_ID"]), ranks) if ranks > 1 else (0, 1)


def ranks_folder(attempt: Path) -> Path:
    """Where the ranks of an attempt keep their logs, pids and ends."""
    return attempt / "ranks"
