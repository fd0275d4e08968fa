"""The event file: JSON Lines a worker appends to and an agent tails."""

from __future__ import annotations

import json
import os
import threading
from datetime import datetime, timezone
from pathlib import Path
from typing import Any


class EventFile:
    """Appends whole lines; safe from several threads. What did not fit the disk is taken back, so no line is torn.

    A process killed in the middle of a line leaves it torn; whoever opens the file next ends that line first.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
        self._torn = _ends_torn(self._file)
        self._ended = False

    def write(self, event: str, *, durable: bool = False, last: bool = False, **fields: Any) -> bool:
        """Appends one event; OSError when it cannot. `durable` waits until it is on disk: for what others act on.

        After one that was `last` nothing more is written; False says that this one came too late.
        """
        at = datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        line = json.dumps({"type": event, "at": at, **fields}, ensure_ascii=False, allow_nan=False)
        data = line.encode("utf-8") + b"\n"
        with self._lock:
            if self._ended:
                return False
            self._append(b"\n" + data if self._torn else data)
            if durable or last:
                os.fsync(self._file)
            self._ended = last
        return True

    def close(self) -> None:
        """Puts everything on disk and closes the file."""
        with self._lock:
            self._ended = True
            os.fsync(self._file)
            os.close(self._file)

    def _append(self, data: bytes) -> None:
        begin = os.fstat(self._file).st_size
        try:
            while data:
                data = data[os.write(self._file, data) :]
        except OSError:
            self._take_back(begin)
            raise
        self._torn = False

    def _take_back(self, begin: int) -> None:
        try:
            os.ftruncate(self._file, begin)
        except OSError:
            self._torn = True


def _ends_torn(file: int) -> bool:
    size = os.fstat(file).st_size
    try:
        return size > 0 and os.pread(file, 1, size - 1) != b"\n"
    except OSError:
        return False
