"""Processes that a stage started, seen from outside (Linux)."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from pathlib import Path


def children_of(pid: int) -> list[int]:
    """Processes of this parent that have not ended, oldest first."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        fields = _fields(stat)
        if fields is not None and fields[0] not in "ZX" and int(fields[1]) == pid:
            found.append((int(fields[19]), int(stat.parent.name)))
    return [child for _, child in sorted(found)]


def has_ended(pid: int) -> bool:
    """Whether it is gone, waited for or not."""
    fields = _fields(Path(f"/proc/{pid}/stat"))
    return fields is None or fields[0] in "ZX"


def naming(folder: Path) -> list[str]:
    """Command lines of the processes that run now and name the folder."""
    lines = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):  # it has just ended
            lines.append(path.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
    return [line for line in lines if str(folder) in line]


def cpu_ticks(pid: int) -> int:
    """What it has used of the processor so far, in clock ticks."""
    fields = _fields(Path(f"/proc/{pid}/stat"))
    assert fields is not None, f"process {pid} is gone"
    return int(fields[11]) + int(fields[12])


def sleeps(pid: int) -> bool:
    """Whether its main thread waits for something."""
    fields = _fields(Path(f"/proc/{pid}/stat"))
    return fields is not None and fields[0] == "S"


def wait_until(holds: Callable[[], bool], *, seconds: float = 60) -> None:
    """Looks again and again; an AssertionError when it does not come true."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"not so after {seconds} s"
        time.sleep(0.01)


def _fields(stat: Path) -> list[str] | None:
    """Of a stat file what follows the name: state, parent, …"""
    try:
        return stat.read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return None
