"""Documents of one group on disk: what stays in memory of a document is its size and its perplexity."""

from __future__ import annotations

import json
import tempfile
from array import array
from collections.abc import Iterator
from pathlib import Path

import numpy as np


class Spool:
    """Ids and tokens in the order in which they are added, in files without a name: they go with the process."""

    def __init__(self, group: str, folder: Path) -> None:
        self.group = group
        folder.mkdir(parents=True, exist_ok=True)
        self._ids = tempfile.TemporaryFile("w+", encoding="utf-8", dir=folder)  # noqa: SIM115
        self._tokens = tempfile.TemporaryFile("w+b", dir=folder)  # noqa: SIM115
        self._sizes = array("i")
        self._perplexities = array("d")
        self._predicted = array("b")

    def __len__(self) -> int:
        return len(self._sizes)

    def add(self, name: str, tokens: np.ndarray, perplexity: float | None) -> None:
        """`tokens` int32. Without a perplexity the document waits for a prediction, see `predict`."""
        self._ids.write(json.dumps(name) + "\n")
        self._tokens.write(tokens.astype("<i4").tobytes())
        self._sizes.append(len(tokens))
        self._perplexities.append(np.nan if perplexity is None else perplexity)
        self._predicted.append(perplexity is None)

    @property
    def sizes(self) -> np.ndarray:
        """Tokens of each document, int32."""
        return np.frombuffer(self._sizes, np.int32) if self._sizes else np.zeros(0, np.int32)

    @property
    def perplexities(self) -> np.ndarray:
        """Of each document, fp64; NaN while it waits for a prediction."""
        return np.frombuffer(self._perplexities, np.float64) if self._perplexities else np.zeros(0)

    @property
    def predicted(self) -> np.ndarray:
        """Whether the perplexity of each document is (to be) predicted, not measured."""
        return np.frombuffer(self._predicted, np.bool_) if self._predicted else np.zeros(0, np.bool_)

    def predict(self, perplexities: np.ndarray) -> None:
        """Fills in those that wait, in order."""
        self.perplexities[self.predicted] = perplexities

    def names(self) -> Iterator[str]:
        """Ids in order."""
        self._ids.seek(0)
        for line in self._ids:
            yield json.loads(line)

    def documents(self, chosen: np.ndarray) -> Iterator[np.ndarray]:
        """Tokens of the documents where `chosen` (one truth value a document) holds, in order."""
        self._tokens.flush()
        sizes = self.sizes
        ends = np.cumsum(sizes, dtype=np.int64)
        for place in np.flatnonzero(chosen):
            count = int(sizes[place])
            self._tokens.seek(4 * int(ends[place] - count))
            yield np.frombuffer(self._tokens.read(4 * count), "<i4")
        self._tokens.seek(0, 2)
