"""Scores of single tokens: token_nll.bin and token_offsets.bin beside scores.jsonl."""

from __future__ import annotations

from pathlib import Path

import numpy as np

VALUES = "token_nll.bin"
OFFSETS = "token_offsets.bin"


class TokenScores:
    """Appends documents in the order of scores.jsonl.

    token_nll.bin: -log p of every scored token in nats, little-endian fp32, documents one after the other.
    token_offsets.bin: n + 1 little-endian int64; the tokens of row i are values offsets[i] to offsets[i + 1].
    """

    def __init__(self, folder: Path) -> None:
        self._values = (folder / VALUES).open("wb")
        self._offsets = (folder / OFFSETS).open("wb")
        self._end = 0
        self._mark()

    def add(self, token_nll: np.ndarray) -> None:
        """The next document; one whose perplexity is predicted has no tokens."""
        self._values.write(token_nll.astype("<f4").tobytes())
        self._end += len(token_nll)
        self._mark()

    def close(self) -> None:
        """Ends both files."""
        self._values.close()
        self._offsets.close()

    def _mark(self) -> None:
        self._offsets.write(np.array([self._end], "<i8").tobytes())


def read_token_scores(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """(values, offsets) of a packed folder, mapped from disk."""
    offsets = np.fromfile(folder / OFFSETS, "<i8")
    values = folder / VALUES
    return np.memmap(values, "<f4", "r") if values.stat().st_size else np.zeros(0, np.float32), offsets
