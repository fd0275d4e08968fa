"""The planned order as MindFormers' data: entry i of order.idx is sample i, never shuffled, never packed again.

Columns and their meaning are those of MindFormers' GPTDataset: `input_ids` and `labels` are the entry without its
last and without its first token; `loss_mask` is 1 wherever the native trainer's weight is; `position_ids` count
through the entry. `actual_seq_len` holds where documents end (the position after each end mark, a last one at the
very end left out), filled up to `limit` with the length.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from stages._worker.data.megatron_index import read_index
from stages._worker.failures import DataError

COLUMNS = ("input_ids", "labels", "loss_mask", "position_ids")
BOUNDARIES = "actual_seq_len"
BOUNDARY_LIMIT = 128
"""Documents of an entry at most: the width of `actual_seq_len`."""


class OrderedEntries:
    """A source with length and random access, as GeneratorDataset takes it. Nothing but numpy is needed."""

    def __init__(
        self,
        index: Path,
        data: Sequence[Path],
        *,
        sequence_length: int,
        end_of_document: int,
        boundaries: bool,
        limit: int = BOUNDARY_LIMIT,
    ) -> None:
        """`data` are the .bin files in the order of the packed folders: the index counts through them."""
        self.columns = (*COLUMNS, BOUNDARIES) if boundaries else COLUMNS
        self._width = sequence_length + 1
        self._end = end_of_document
        self._limit = limit
        self._index_path = index
        self._index = read_index(index)
        self._parts = [_tokens(path) for path in data]
        ends = np.cumsum([part.nbytes for part in self._parts])
        self._starts = np.concatenate([[0], ends[:-1]]).astype(np.int64)
        self._check(int(ends[-1]) if len(ends) else 0)

    def __len__(self) -> int:
        return len(self._index.sizes)

    def __getitem__(self, number: int) -> tuple[np.ndarray, ...]:
        """Columns of one sample, int32: (S,) each, `actual_seq_len` (limit,)."""
        entry = self._entry(int(number))
        tokens = entry[:-1].astype(np.int32)
        length = self._width - 1
        columns = (
            tokens,
            entry[1:].astype(np.int32),
            np.ones(length, np.int32),
            np.arange(length, dtype=np.int32),
        )
        return (*columns, self._boundaries(tokens, number)) if BOUNDARIES in self.columns else columns

    def _entry(self, number: int) -> np.ndarray:
        pointer = self._index.pointers[number]
        part = int(np.searchsorted(self._starts, pointer, side="right")) - 1
        first = int(pointer - self._starts[part]) // 4
        return self._parts[part][first : first + self._width]

    def _boundaries(self, tokens: np.ndarray, number: int) -> np.ndarray:
        ends = np.flatnonzero(tokens == self._end) + 1
        if len(ends) and ends[-1] == len(tokens):
            ends = ends[:-1]
        if len(ends) > self._limit:
            raise DataError(
                f"{self._index_path}: entry {number} holds {len(ends)} documents, actual_seq_len has room for "
                f"{self._limit}",
                hint=f"run perplexity again with max_docs_per_sequence {self._limit} or less",
            )
        filled = np.full(self._limit, len(tokens), np.int32)
        filled[: len(ends)] = ends
        return filled

    def _check(self, size: int) -> None:
        """Every entry has S+1 tokens and lies inside one of the files."""
        index = self._index
        if (index.sizes != self._width).any():
            raise DataError(f"{self._index_path}: every entry must have {self._width} tokens")
        if not len(index.pointers):
            raise DataError(f"{self._index_path}: holds no entry")
        if index.pointers.min() < 0 or int(index.pointers.max()) + 4 * self._width > size:
            raise DataError(
                f"{self._index_path}: entries end at byte {int(index.pointers.max()) + 4 * self._width}, the data "
                f"has {size}",
                hint="is this the order of these packed folders, all of them and in their order?",
            )


def _tokens(path: Path) -> np.ndarray:
    try:
        return np.memmap(path, "<i4", "r")
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: not a file of int32 tokens: {error}") from error
