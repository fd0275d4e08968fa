"""How a signature is cut into bands. Apart, since what it takes to say so is large, and needed once."""

from __future__ import annotations

from datasketch import MinHashLSH


def choose_bands(threshold: float, permutations: int) -> tuple[int, int]:
    """(bands, rows of a band) with which texts of a Jaccard similarity above the threshold share a band."""
    # Missing a pair counts nine times a needless look: every candidate is checked by its estimate.
    best = MinHashLSH(threshold=threshold, num_perm=permutations, weights=(0.1, 0.9))
    return best.b, best.r
