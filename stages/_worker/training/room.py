"""Room on the disk, asked for before anything is written."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from stages._worker.failures import DiskFull

# Left for the event file and the logs, which go to the same disk.
_LEFT_OVER = 4 << 20
# Of a tensor in the header of its file, and of a file on the disk.
_NAME_BYTES = 256
_FILE_BYTES = 64 << 10


def bytes_of(tensors: Mapping[str, Mapping[str, np.ndarray]]) -> int:
    """An upper estimate of what the fp32 files of these tensors take, in bytes."""
    return sum(
        _FILE_BYTES + sum(4 * values.size + _NAME_BYTES for values in group.values())
        for group in tensors.values()
    )


def require_room(folder: Path, needed: int, *, what: str) -> None:
    """Raises DiskFull when the file system of `folder` has not `needed` bytes and a little more for this user."""
    free = shutil.disk_usage(folder).free
    if free < needed + _LEFT_OVER:
        raise DiskFull(
            f"{what} takes {_mib(needed)} MiB and {_mib(_LEFT_OVER)} MiB are left for events and logs, "
            f"but {folder} has room for {_mib(free)} MiB; nothing was written",
            hint="free disk space (`legalone gc` removes what no run needs), then `legalone resume`",
        )


def _mib(size: int) -> str:
    return f"{size / (1 << 20):.1f}"
