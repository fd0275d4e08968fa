"""The event file: JSON Lines a worker appends to and an agent tails."""

from __future__ import annotations

import json
import math
import os
import re
import threading
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from stages._worker.variables import hide_values


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
        line = json.dumps(bounded({"type": event, "at": at, **fields}), ensure_ascii=False, allow_nan=False)
        data = hide_values(line).encode("utf-8") + b"\n"
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


# What a text may hold and no database does: U+0000 and half a surrogate pair.
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
# One that is longer than its field may be is cut (protocol.schema.json: Line and Text).
_CUT = {"message": 10_000, "hint": 2000, "detail": 2000, "program": 2000, "device": 2000}


def bounded(event: dict[str, Any]) -> dict[str, Any]:
    """The event within the bounds of the protocol, as far as that is a matter of form: the agent would do the same."""
    return {
        key: _cut(_clean(value), _CUT[key]) if key in _CUT and isinstance(value, str) else _clean(value)
        for key, value in event.items()
    }


def _cut(text: str, most: int) -> str:
    # Counted in UTF-16, as the other side counts.
    if len(text) <= most // 2 or len(text.encode("utf-16-le")) // 2 <= most:
        return text
    note = f" … ({len(text)} characters)"
    kept = text.encode("utf-16-le")[: 2 * (most - len(note))]
    return kept.decode("utf-16-le", "ignore") + note


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return _UNSTORABLE.sub("\ufffd", value)
    if isinstance(value, dict):
        return {_clean(key) if isinstance(key, str) else key: _clean(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_clean(inner) for inner in value]
    # A number that JSON has not: it was not measured.
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _ends_torn(file: int) -> bool:
    size = os.fstat(file).st_size
    try:
        return size > 0 and os.pread(file, 1, size - 1) != b"\n"
    except OSError:
        return False
