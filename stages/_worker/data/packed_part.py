"""One folder of packed data: data.bin (int32 tokens), data.idx (Megatron index) and cells.json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from stages._worker.data.megatron_index import read_index
from stages._worker.failures import DataError

BIN, IDX, CELLS = "data.bin", "data.idx", "cells.json"


class PackedPart:
    """A packed folder, mapped into memory and checked: every entry has S+1 tokens and lies inside data.bin."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            self.facts: dict[str, Any] = json.loads((folder / CELLS).read_text(encoding="utf-8"))
            self.sequence_length = int(self.facts["sequenceLength"])
            self.cells = [dict(cell) for cell in self.facts["cells"]]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataError(f"{folder / CELLS}: not the description of packed data: {error}") from error
        self.made_from = _made_from(folder)
        """Content hashes of the corpus and the model it was made from; None for a folder without a manifest."""
        self._index = read_index(folder / IDX)
        try:
            self._tokens = np.memmap(folder / BIN, "<i4", "r")
        except (OSError, ValueError) as error:
            raise DataError(f"{folder / BIN}: not a file of int32 tokens: {error}") from error
        self._check(folder)

    def __len__(self) -> int:
        return len(self._index.sizes)

    def row(self, number: int) -> np.ndarray:
        """One entry, (S+1,) int32 in the byte order of the file."""
        start = self._index.pointers[number] // 4
        return self._tokens[start : start + self.sequence_length + 1]

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


def _made_from(folder: Path) -> list[str] | None:
    try:
        return list(json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["parents"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
