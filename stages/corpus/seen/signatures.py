"""MinHash signatures over the character n-grams of a text."""

from __future__ import annotations

import numpy as np

# Odd, so that the polynomial hash of a shingle keeps all its bits modulo 2^32.
_BASE = np.uint32(0x01000193)
# Shingles that are hashed at once: with 128 permutations 512 kB, which a core keeps near.
_PART = 1024


class Signatures:
    """Signatures of `permutations` 32-bit minima each.

    A shingle's hash x, mixed (the finalizer of MurmurHash3), goes through the permutations a·x + b modulo 2^32, a odd.
    The share of equal minima of two texts estimates their Jaccard similarity.
    """

    def __init__(self, *, ngram: int, permutations: int, seed: int) -> None:
        chance = np.random.Generator(np.random.PCG64(seed))
        self._ngram = ngram
        self._factors = chance.integers(0, 1 << 32, (permutations, 1), dtype=np.uint32) | np.uint32(1)
        self._offsets = chance.integers(0, 1 << 32, (permutations, 1), dtype=np.uint32)
        self._room = np.empty((permutations, _PART), dtype=np.uint32)

    def of(self, text: str) -> np.ndarray:
        """The signature of a text, shape (permutations,), uint32."""
        hashes = _mixed(shingles(text, self._ngram))
        minima = None
        for start in range(0, len(hashes), _PART):
            part = hashes[start : start + _PART]
            room = self._room[:, : len(part)]
            np.multiply(self._factors, part, out=room)
            room += self._offsets
            least = room.min(axis=1)
            minima = least if minima is None else np.minimum(minima, least, out=minima)
        assert minima is not None
        return minima


def band_keys(signatures: np.ndarray, bands: int, rows: int) -> np.ndarray:
    """A 32-bit key of every band of every signature: shape (n, permutations) to (n, bands)."""
    keys = np.broadcast_to(np.arange(1, bands + 1, dtype=np.uint64), (len(signatures), bands)).copy()
    parts = signatures[:, : bands * rows].reshape(len(signatures), bands, rows)
    for row in range(rows):
        keys = (keys ^ parts[:, :, row]) * np.uint64(0x9E3779B97F4A7C15)
        keys ^= keys >> np.uint64(29)
    return (keys >> np.uint64(32)).astype(np.uint32)


def shingles(text: str, ngram: int) -> np.ndarray:
    """32-bit hashes of the character n-grams of a text, in order; a shorter text is one shingle."""
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    width = min(ngram, len(codes))
    count = max(1, len(codes) - width + 1)
    hashes = np.zeros(count, dtype=np.uint32)
    for offset in range(width):
        hashes *= _BASE
        hashes += codes[offset : offset + count]
    return hashes


def _mixed(hashes: np.ndarray) -> np.ndarray:
    hashes ^= hashes >> np.uint32(16)
    hashes *= np.uint32(0x85EBCA6B)
    hashes ^= hashes >> np.uint32(13)
    hashes *= np.uint32(0xC2B2AE35)
    hashes ^= hashes >> np.uint32(16)
    return hashes
