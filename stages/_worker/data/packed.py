"""Packed data: data.bin (int32 tokens), data.idx (Megatron index) and cells.json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from stages._worker.data.megatron_index import MegatronIndex, read_index, write_index
from stages._worker.failures import DataError

BIN, IDX, CELLS = "data.bin", "data.idx", "cells.json"


class PackedWriter:
    """Appends entries of one length; `close` writes the index."""

    def __init__(self, folder: Path, *, length: int) -> None:
        self.length = length
        self.entries = 0
        self._folder = folder
        self._file = (folder / BIN).open("wb")

    def append(self, entry: np.ndarray) -> None:
        """Adds one entry of exactly `length` tokens."""
        if entry.shape != (self.length,):
            raise ValueError(f"entry of shape {entry.shape}, expected ({self.length},)")
        self._file.write(entry.astype("<i4").tobytes())
        self.entries += 1

    def close(self) -> None:
        """Ends data.bin and writes data.idx."""
        self._file.close()
        sizes = np.full(self.entries, self.length, np.int32)
        pointers = np.arange(self.entries, dtype=np.int64) * self.length * 4
        write_index(self._folder / IDX, MegatronIndex(sizes=sizes, pointers=pointers))


class PackedData:
    """A packed folder, mapped into memory and checked: every entry has S+1 tokens and lies inside data.bin."""

    def __init__(self, folder: Path) -> None:
        try:
            self.facts: dict[str, Any] = json.loads((folder / CELLS).read_text(encoding="utf-8"))
            self.sequence_length = int(self.facts["sequenceLength"])
            self.cells = [dict(cell) for cell in self.facts["cells"]]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataError(f"{folder / CELLS}: not the description of packed data: {error}") from error
        self._index = read_index(folder / IDX)
        try:
            self._tokens = np.memmap(folder / BIN, "<i4", "r")
        except (OSError, ValueError) as error:
            raise DataError(f"{folder / BIN}: not a file of int32 tokens: {error}") from error
        self._check(folder)

    def __len__(self) -> int:
        return len(self._index.sizes)

    def rows(self, ids: np.ndarray) -> np.ndarray:
        """Entries by row id: (n, S+1) int32."""
        width = self.sequence_length + 1
        starts = self._index.pointers[ids] // 4
        return np.stack([self._tokens[start : start + width] for start in starts]).astype(np.int32)

    def cell_of_row(self) -> np.ndarray:
        """Number of the cell of every row, uint32."""
        cells = np.zeros(len(self), np.uint32)
        for number, cell in enumerate(self.cells):
            cells[cell["first"] : cell["first"] + cell["sequences"]] = number
        return cells

    def _check(self, folder: Path) -> None:
        width = self.sequence_length + 1
        if (self._index.sizes != width).any():
            raise DataError(f"{folder / IDX}: every entry must have {width} tokens")
        ends = self._index.pointers + 4 * width
        if len(ends) and (ends.max() > self._tokens.nbytes or self._index.pointers.min() < 0):
            raise DataError(f"{folder / BIN}: {self._tokens.nbytes} bytes, but entries end at {ends.max()}")
        expected = 0
        for cell in self.cells:
            if cell["first"] != expected:
                raise DataError(
                    f"{folder / CELLS}: cell {cell['group']}.{cell['band']} starts at the wrong row"
                )
            expected += cell["sequences"]
        if expected != len(self):
            raise DataError(f"{folder / CELLS}: cells hold {expected} entries, the index {len(self)}")
