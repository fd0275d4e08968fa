"""Device and ranks, before the first Cell."""

from __future__ import annotations

from stages._worker.model import device
from stages._worker.training.ranks.place import this_rank


def start_device() -> tuple[int, int]:
    """Chooses the device and, in a rank, meets the others; (rank, ranks)."""
    device.set_up()
    rank = this_rank()
    if rank[1] > 1:
        device.join_ranks()
    return rank
