"""Exact and near duplicates, within and across sources: the first document seen stays."""

from __future__ import annotations

import hashlib
import re

import numpy as np
from datasketch import MinHash, MinHashLSH

_NOT_WORDS = re.compile(r"[\W_]+")
# Odd, so that the polynomial hash of a shingle keeps all its bits modulo 2^32.
_BASE = np.uint32(0x01000193)


class Duplicates:
    """Remembers every document it is asked about.

    Near duplicates share at least `threshold` of their character `ngram`-grams (Jaccard, estimated by MinHash over
    `permutations`). Punctuation and space do not count. Everything lives in memory: about 1 kB a document.
    """

    def __init__(self, *, ngram: int, threshold: float, permutations: int, seed: int) -> None:
        self._ngram = ngram
        self._threshold = threshold
        self._exact: dict[bytes, str] = {}
        self._signatures: dict[str, MinHash] = {}
        # Missing a pair counts nine times a needless look: every candidate is checked by its estimate.
        self._index = MinHashLSH(threshold=threshold, num_perm=permutations, weights=(0.1, 0.9))
        self._seed = seed
        self._empty = MinHash(num_perm=permutations, seed=seed, hashfunc=int)

    def find(self, name: str, text: str) -> tuple[str, str] | None:
        """(`exact_duplicate` | `near_duplicate`, name of the one that stays), or None and `name` is remembered."""
        plain = _NOT_WORDS.sub("", text)
        digest = hashlib.blake2b(plain.encode(), digest_size=16).digest()
        if digest in self._exact:
            return "exact_duplicate", self._exact[digest]
        signature = self._empty.copy()
        signature.update_batch(shingles(plain, self._ngram))
        near = [each for each in self._index.query(signature) if self._similar(each, signature)]
        if near:
            return "near_duplicate", min(near)
        self._exact[digest] = name
        self._signatures[name] = signature
        self._index.insert(name, signature)
        return None

    def _similar(self, name: str, signature: MinHash) -> bool:
        # Buckets of the index collide below the threshold too; the estimate decides.
        return self._signatures[name].jaccard(signature) >= self._threshold


def shingles(text: str, ngram: int) -> np.ndarray:
    """Distinct 32-bit hashes of the character n-grams of a text; a shorter text is one shingle."""
    codes = np.frombuffer(text.encode("utf-32-le"), dtype=np.uint32)
    width = min(ngram, len(codes))
    hashes = np.zeros(max(1, len(codes) - width + 1), dtype=np.uint32)
    for offset in range(width):
        hashes = hashes * _BASE + codes[offset : offset + len(hashes)]
    return np.unique(hashes)
