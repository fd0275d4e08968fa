"""Rows that are appended to a file and read back by number."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np


class GrowingRows:
    """Rows of one type and width in a file; what is read lies in the page cache, not in the process."""

    def __init__(self, path: Path, dtype: Any, width: int) -> None:
        self._path = path
        self._dtype = np.dtype(dtype)
        self._width = width
        self._file = path.open("wb")
        self._mapped: np.ndarray | None = None
        self.count = 0

    def append(self, rows: np.ndarray) -> None:
        """Adds rows, shape (n, width)."""
        self._file.write(np.ascontiguousarray(rows, dtype=self._dtype))
        self.count += len(rows)
        self._mapped = None

    def at(self, numbers: np.ndarray) -> np.ndarray:
        """The rows of these numbers, shape (n, width)."""
        if not len(numbers):
            return np.empty((0, self._width), dtype=self._dtype)
        if self._mapped is None:
            self._file.flush()
            self._mapped = np.memmap(self._path, dtype=self._dtype, mode="r", shape=(self.count, self._width))
        return self._mapped[numbers]

    def close(self) -> None:
        """Lets go of the file."""
        self._mapped = None
        self._file.close()


class GrowingNames:
    """Strings that are appended to a file and read back by number."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "names"
        self._file = self._path.open("wb")
        self._ends = GrowingRows(folder / "names.ends", np.uint64, 1)
        self._size = 0

    def append(self, names: list[str]) -> None:
        """Adds names."""
        packed = [name.encode("utf-8", "surrogatepass") for name in names]
        self._file.write(b"".join(packed))
        ends = self._size + np.cumsum([len(each) for each in packed], dtype=np.uint64)
        self._ends.append(ends[:, None])
        self._size += sum(map(len, packed))

    def at(self, number: int) -> str:
        """The name of a number."""
        bounds = self._ends.at(np.array([number - 1, number] if number else [0]))
        end = int(bounds[-1, 0])
        start = int(bounds[0, 0]) if number else 0
        self._file.flush()
        with self._path.open("rb") as file:
            file.seek(start)
            return file.read(end - start).decode("utf-8", "surrogatepass")

    def close(self) -> None:
        """Lets go of the files."""
        self._ends.close()
        self._file.close()
