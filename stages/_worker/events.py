"""The event file: JSON Lines a worker appends to and an agent tails."""

from __future__ import annotations

import json
import os
import threading
from datetime import datetime, timezone
from pathlib import Path
from typing import Any


class EventFile:
    """Appends whole lines; safe from several threads. A line is never half written by a live worker."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)

    def write(self, event: str, *, durable: bool = False, **fields: Any) -> None:
        """Appends one event. `durable` waits until it is on disk: for what others act on."""
        at = datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        line = json.dumps({"type": event, "at": at, **fields}, ensure_ascii=False, allow_nan=False)
        data = line.encode("utf-8") + b"\n"
        with self._lock:
            while data:
                data = data[os.write(self._file, data) :]
            if durable:
                os.fsync(self._file)

    def close(self) -> None:
        """Puts everything on disk and closes the file."""
        with self._lock:
            os.fsync(self._file)
            os.close(self._file)
