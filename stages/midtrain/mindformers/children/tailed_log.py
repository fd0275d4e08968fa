"""A file that somebody else writes, line by line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path


class TailedLog:
    """New whole lines of a file that may not be there yet."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._offset = 0
        self._torn = b""

    def lines(self) -> Iterator[str]:
        """Lines that have ended since the last call."""
        if not self.path.is_file():
            return
        with self.path.open("rb") as file:
            file.seek(self._offset)
            data = file.read()
        self._offset += len(data)
        *whole, self._torn = (self._torn + data).split(b"\n")
        for line in whole:
            yield line.decode("utf-8", errors="replace")
