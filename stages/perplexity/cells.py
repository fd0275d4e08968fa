"""Packing cells one after the other into data.bin, and the description of what lies where."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages._worker.data.packed import PackedWriter
from stages._worker.data.packed_part import CELLS
from stages._worker.data.packing import PackingCounts, pack_documents
from stages._worker.failures import DataError
from stages._worker.jsonl import write_json

DOCUMENTS = "documents.bin"
"""First and last document of every entry, two uint32 little-endian. They count the documents of its cell from 0: the
rows of scores.jsonl with its group and band, in their order."""
_SPAN = struct.Struct("<II")


@dataclass(kw_only=True, slots=True, frozen=True)
class Cell:
    """Documents of one group and band, as tokens."""

    group: str
    band: str
    documents: Iterable[list[int]]
    """Gone through once."""


def write_packed(
    folder: Path,
    cells: list[Cell],
    *,
    length: int,
    max_documents: int,
    end_of_document: int,
    vocabulary: int,
    thresholds: dict[str, dict[str, float | None]],
    dropped: dict[str, int],
    sampled: dict[str, int] | None = None,
    predictor: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Writes data.bin, data.idx and cells.json; returns what cells.json holds. Cells without a sequence are left out.

    `sampled`: documents of each group that the thresholds were taken from, where that was not the whole group.
    `predictor`: how well predicted perplexities agree with measured ones, where some were predicted.
    """
    writer = PackedWriter(folder, length=length + 1)
    spans = (folder / DOCUMENTS).open("wb")
    rows = []
    tail = crowded = 0
    for cell in cells:
        first = writer.entries
        counts = PackingCounts()
        packed = pack_documents(
            cell.documents,
            length=length + 1,
            end_of_document=end_of_document,
            max_documents=max_documents,
            counts=counts,
        )
        for entry in packed:
            writer.append(entry)
            spans.write(_SPAN.pack(*counts.span))
        tail += counts.tail
        crowded += counts.crowded
        if counts.entries:
            rows.append(
                {
                    "group": cell.group,
                    "band": cell.band,
                    "first": first,
                    "sequences": counts.entries,
                    "documents": counts.documents,
                    "tokens": counts.packed,
                }
            )
    writer.close()
    spans.close()
    if not rows:
        raise DataError(
            f"no cell has enough tokens for one sequence of {length}",
            hint="take more documents, shorter sequences or, where the stage is split, fewer shards",
        )
    facts = {
        "sequenceLength": length,
        "dtype": "int32",
        "vocabSize": vocabulary,
        "endOfDocument": end_of_document,
        "cells": rows,
        "thresholds": thresholds,
        **({"sampled": sampled} if sampled else {}),
        **({"predictor": predictor} if predictor else {}),
        "dropped": {
            "documents": sum(dropped.values()),
            **dropped,
            "tail_tokens": tail,
            "crowded_tokens": crowded,
        },
    }
    write_json(folder / CELLS, facts)
    return facts
