"""Packed data: written as one folder, read as one or as the folders of all shards."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from stages._worker.data.megatron_index import MegatronIndex, write_index
from stages._worker.data.packed_part import BIN, IDX, PackedPart
from stages._worker.failures import DataError

THRESHOLD_TOLERANCE = 1e-3
"""Shards that score the same sample on different machines differ in the last digits of their thresholds."""


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
    """Packed folders read as one: a cell holds its sequences of the first folder, then of the second, …

    Cells come in the order in which the folders name them, and rows are numbered cell after cell. With one folder
    that is the folder itself. packed-cells.ts numbers the same way.
    """

    def __init__(self, *folders: Path) -> None:
        if not folders:
            raise DataError("there is no packed data to read")
        self._parts = [PackedPart(folder) for folder in folders]
        self.facts: dict[str, Any] = self._parts[0].facts
        """What the folders agree on, as the first one's cells.json says it."""
        self.sequence_length = self._parts[0].sequence_length
        for part in self._parts[1:]:
            _check_alike(self._parts[0], part)
        self.cells, self.runs = _join(self._parts)
        self._starts = np.array([run["row"] for run in self.runs], np.int64)

    def __len__(self) -> int:
        return sum(len(part) for part in self._parts)

    def rows(self, ids: np.ndarray) -> np.ndarray:
        """Entries by row id: (n, S+1) int32."""
        runs = np.searchsorted(self._starts, np.asarray(ids, np.int64), side="right") - 1
        return np.stack([self._row(int(row), self.runs[run]) for row, run in zip(ids, runs, strict=True)])

    def cell_of_row(self) -> np.ndarray:
        """Number of the cell of every row, uint32."""
        cells = np.zeros(len(self), np.uint32)
        for number, cell in enumerate(self.cells):
            cells[cell["first"] : cell["first"] + cell["sequences"]] = number
        return cells

    def _row(self, row: int, run: dict[str, int]) -> np.ndarray:
        return self._parts[run["part"]].row(run["first"] + row - run["row"]).astype(np.int32)


def _join(parts: list[PackedPart]) -> tuple[list[dict[str, Any]], list[dict[str, int]]]:
    """Cells of all parts, and the runs of rows that lie one after the other in a part: `sequences` rows from row
    `row` on are those of part `part` from its row `first` on."""
    found: dict[tuple[str, str], list[tuple[int, dict[str, Any]]]] = {}
    for number, part in enumerate(parts):
        for cell in part.cells:
            found.setdefault((cell["group"], cell["band"]), []).append((number, cell))
    cells: list[dict[str, Any]] = []
    runs: list[dict[str, int]] = []
    row = 0
    for members in found.values():
        sums = {
            name: sum(cell[name] for _, cell in members if name in cell)
            for name in ("sequences", "documents", "tokens")
        }
        cells.append({**members[0][1], "first": row, **sums})
        for number, cell in members:
            if cell["sequences"]:
                runs.append(
                    {"row": row, "part": number, "first": cell["first"], "sequences": cell["sequences"]}
                )
            row += cell["sequences"]
    return cells, runs


def _check_alike(first: PackedPart, other: PackedPart) -> None:
    for name in ("sequenceLength", "vocabSize", "endOfDocument"):
        if first.facts.get(name) != other.facts.get(name):
            raise DataError(
                f"{other.folder}: {name} is {other.facts.get(name)}, but {first.facts.get(name)} in {first.folder}",
                hint="packed data that is read together comes from the shards of one stage",
            )
    if first.made_from is not None and other.made_from is not None and first.made_from != other.made_from:
        raise DataError(
            f"{other.folder} was made from other inputs (corpus, model) than {first.folder}",
            hint="a shard of another corpus does not belong to this data; name the shards of one stage",
        )
    ours, theirs = first.facts.get("thresholds") or {}, other.facts.get("thresholds") or {}
    for group in sorted(ours.keys() & theirs.keys()):
        for band in ours[group].keys() | theirs[group].keys():
            if not _close(ours[group].get(band), theirs[group].get(band)):
                raise DataError(
                    f"{other.folder}: {group} is {band} up to {theirs[group].get(band)}, "
                    f"but up to {ours[group].get(band)} in {first.folder}",
                    hint="packed data that is read together has one set of thresholds; run perplexity again",
                )


def _close(one: float | None, other: float | None) -> bool:
    if one is None or other is None:
        return one is other
    return math.isclose(one, other, rel_tol=THRESHOLD_TOLERANCE)
