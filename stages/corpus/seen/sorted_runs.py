"""A multimap from 32-bit keys to document numbers that grows without end in bounded memory."""

from __future__ import annotations

from pathlib import Path

import numpy as np

_GROWTH = 4
_LOW = np.uint64(0xFFFFFFFF)
_SHIFT = np.uint64(32)
_SLICE = 1 << 19


class SortedRuns:
    """Pairs (key, number), 8 bytes each, in sorted runs, every one at least four times as long as the next.

    Runs of more than `in_memory` pairs are files of `folder`, which are read through the page cache and merged slice by
    slice, so that memory does not grow with the number of pairs.
    """

    def __init__(self, folder: Path, name: str, *, in_memory: int = 1 << 20) -> None:
        self._folder = folder
        self._name = name
        self._in_memory = in_memory
        self._runs: list[np.ndarray] = []
        self._files = 0

    def add(self, keys: np.ndarray, numbers: np.ndarray) -> None:
        """Adds pairs of uint32 keys and numbers, shape (n,) each."""
        if not len(keys):
            return
        run = (keys.astype(np.uint64) << _SHIFT) | numbers.astype(np.uint64)
        run.sort()
        while self._runs and len(self._runs[-1]) < _GROWTH * len(run):
            run = self._merge(self._runs.pop(), run)
        self._runs.append(run)

    def find(self, keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Every pair whose key is asked for: places in `keys` and numbers, in no order."""
        order = np.argsort(keys, kind="stable")
        wanted = keys[order].astype(np.uint64) << _SHIFT
        places, numbers = [np.empty(0, dtype=np.int64)], [np.empty(0, dtype=np.int64)]
        for run in self._runs:
            first = np.searchsorted(run, wanted)
            # Most keys are in no run: the second search is for those that are.
            there = np.flatnonzero((run[np.minimum(first, len(run) - 1)] ^ wanted) <= _LOW)
            first = first[there]
            counts = np.searchsorted(run, wanted[there] | _LOW, side="right") - first
            within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
            places.append(np.repeat(order[there], counts))
            numbers.append((run[np.repeat(first, counts) + within] & _LOW).astype(np.int64))
        return np.concatenate(places), np.concatenate(numbers)

    def _merge(self, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        size = len(left) + len(right)
        if size <= self._in_memory:
            merged = np.concatenate((left, right))
            merged.sort(kind="stable")
            return merged
        self._files += 1
        path = self._folder / f"{self._name}-{self._files}.run"
        with path.open("wb") as file:
            at_left = at_right = 0
            while at_left < len(left) or at_right < len(right):
                end_left, end_right = _ends(left, at_left, right, at_right)
                part = np.concatenate((left[at_left:end_left], right[at_right:end_right]))
                part.sort(kind="stable")
                file.write(part)
                at_left, at_right = end_left, end_right
        for old in (left, right):
            if isinstance(old, np.memmap):
                Path(str(old.filename)).unlink()
        return np.memmap(path, dtype=np.uint64, mode="r")


def _ends(left: np.ndarray, at_left: int, right: np.ndarray, at_right: int) -> tuple[int, int]:
    """Where a slice of both runs ends: all pairs up to the lower of the two that stand half a slice away."""
    ends = [
        run[min(at + _SLICE, len(run)) - 1]
        for run, at in ((left, at_left), (right, at_right))
        if at < len(run)
    ]
    last = min(ends)
    return (
        at_left + int(np.searchsorted(left[at_left : at_left + _SLICE], last, side="right")),
        at_right + int(np.searchsorted(right[at_right : at_right + _SLICE], last, side="right")),
    )
