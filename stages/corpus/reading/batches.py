"""All rows of all sources, cut into batches: the same ones for whoever reads the same files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from stages._worker.locate import SourceFile
from stages.corpus.reading.readers import read_source
from stages.corpus.reading.rows import BrokenRow, Row

_ROWS = 512
_CHARACTERS = 1_000_000

Place = tuple[int, int]
"""Index of a source, and rows of it that lie before."""

START: Place = (0, 0)


@dataclass(kw_only=True, slots=True, frozen=True)
class Batch:
    """Neighbouring rows of one source."""

    place: Place
    """Where the first of them lies."""
    rows: list[Row | BrokenRow]
    last: bool
    """The source ends with it. The last one may hold no rows; every source has one."""


def read_batches(sources: list[dict[str, Any]], files: list[list[SourceFile]]) -> Iterator[Batch]:
    """Every row of the sources in order, at most 512 of them and about a million characters in a batch."""
    for index, (source, of_source) in enumerate(zip(sources, files, strict=True)):
        first, held, characters = 0, [], 0
        for row in read_source(source, of_source):
            held.append(row)
            characters += _size(row)
            if len(held) >= _ROWS or characters >= _CHARACTERS:
                yield Batch(place=(index, first), rows=held, last=False)
                first, held, characters = first + len(held), [], 0
        yield Batch(place=(index, first), rows=held, last=True)


def place_after(place: Place, rows: int, *, last: bool) -> Place:
    """Where the batch begins that comes after one of so many rows."""
    source, first = place
    return (source + 1, 0) if last else (source, first + rows)


def _size(row: Row | BrokenRow) -> int:
    if isinstance(row, BrokenRow):
        return len(row.excerpt)
    return sum(len(value) for value in row.values.values() if isinstance(value, str))
