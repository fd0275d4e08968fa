"""A packed artifact of random tokens: two cells, enough for a training of seconds."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from stages.perplexity.cells import Cell, write_packed


def tiny_packed(folder: Path, *, vocabulary: int, length: int = 32, sequences: int = 24) -> Path:
    """Cells general.low and legal.low of about `sequences` entries each."""
    folder.mkdir(parents=True, exist_ok=True)
    stream = np.random.Generator(np.random.Philox(key=[1, 2]))
    cells = [
        Cell(
            group=group,
            band="low",
            documents=[_document(stream, vocabulary, length) for _ in range(sequences)],
        )
        for group in ("general", "legal")
    ]
    write_packed(
        folder,
        cells,
        length=length,
        max_documents=8,
        end_of_document=0,
        vocabulary=vocabulary,
        thresholds={},
        dropped={},
    )
    return folder


def _document(stream: np.random.Generator, vocabulary: int, length: int) -> list[int]:
    return [int(token) for token in stream.integers(3, vocabulary, length + 4)]
