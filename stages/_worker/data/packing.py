"""Packing: documents of one cell, each with its end mark, cut into entries of one length."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np


@dataclass(slots=True)
class PackingCounts:
    """Where every token went: tokens = packed + tail + crowded."""

    documents: int = 0
    tokens: int = 0
    """Tokens of the documents, end marks included."""
    packed: int = 0
    tail: int = 0
    """Tokens after the last full entry."""
    crowded: int = 0
    """Tokens of entries given up because one more document would end in them than is allowed."""
    entries: int = 0
    span: tuple[int, int] = (0, 0)
    """First and last document of the entry that was given last, counted from 0."""


def pack_documents(
    documents: Iterable[list[int]],
    *,
    length: int,
    end_of_document: int,
    max_documents: int,
    counts: PackingCounts,
) -> Iterator[np.ndarray]:
    """Entries of exactly `length` int32 tokens, in the order of the documents.

    A document may go on in the next entry. An entry holds at most `max_documents` end marks (a limit of the
    readers of the format); one that would hold more is given up and counted, never padded.
    """
    pending: list[int] = []
    ends = first = 0
    for document in documents:
        tokens = [*document, end_of_document]
        counts.documents += 1
        counts.tokens += len(tokens)
        if ends == max_documents and len(pending) + len(tokens) <= length:
            counts.crowded += len(pending)
            pending, ends = [], 0
        number = counts.documents - 1
        if not pending:
            first = number
        pending += tokens
        ends += 1
        while len(pending) >= length:
            entry, pending = pending[:length], pending[length:]
            # The end mark of this document is the last token of `pending`, unless it closed the entry.
            ends = 1 if pending else 0
            counts.entries += 1
            counts.packed += length
            counts.span = first, number
            # What is left belongs to this document alone.
            first = number
            yield np.asarray(entry, np.int32)
    counts.tail = len(pending)
