"""What duplicates are told by, made of documents alone: whoever has a document can make it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from stages.corpus.seen.signatures import Signatures, band_keys


@dataclass(kw_only=True, slots=True, frozen=True)
class Fingerprints:
    """Of n documents, in order."""

    names: np.ndarray
    """32 bits of every name, shape (n, 1), uint32."""
    digests: np.ndarray
    """128 bits of the words, shape (n, 4), uint32."""
    signatures: np.ndarray
    """The low byte of every minimum, shape (n, permutations), uint8."""
    bands: np.ndarray
    """A key of every band of the whole signature, shape (n, bands), uint32."""


class Fingerprinter:
    """MinHash over `permutations` of character `ngram`-grams, in `bands` (how many, and rows of one)."""

    def __init__(self, *, ngram: int, permutations: int, bands: tuple[int, int], seed: int) -> None:
        self._signer = Signatures(ngram=ngram, permutations=permutations, seed=seed)
        self._permutations = permutations
        self._bands, self._rows = bands

    def of(self, names: list[str], words: list[str]) -> Fingerprints:
        """The fingerprints of documents with these names and these `words_of` their texts."""
        full = np.empty((len(words), self._permutations), dtype=np.uint32)
        for place, each in enumerate(words):
            full[place] = self._signer.of(each)
        return Fingerprints(
            names=_digests(names)[:, :1],
            digests=_digests(words),
            signatures=full.astype(np.uint8),
            bands=band_keys(full, self._bands, self._rows),
        )


def _digests(texts: list[str]) -> np.ndarray:
    """128 bits of every text, shape (n, 4), uint32."""
    packed = b"".join(
        hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest() for text in texts
    )
    return np.frombuffer(packed, dtype="<u4").reshape(-1, 4)
