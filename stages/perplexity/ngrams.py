"""Hashed n-grams of token ids as rows of a sparse matrix."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from scipy.sparse import csr_matrix

COLUMNS = 2**18
_FIRST, _SECOND = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F)
_SHIFT = np.uint64(64 - 18)


def ngram_rows(documents: Iterable[np.ndarray]) -> csr_matrix:
    """One row of COLUMNS a document of int32 tokens: roots of the shares of its single tokens and pairs (Hellinger),
    so that every row of a document with tokens has length sqrt(2), or 1 for a single token; fp32."""
    ends, columns, values = [0], [], []
    for tokens in documents:
        words = tokens.astype(np.uint64) + np.uint64(1)
        for places in (words * _FIRST, words[:-1] * _FIRST ^ words[1:] * _SECOND):
            if len(places):
                found, counts = np.unique((places * _FIRST) >> _SHIFT, return_counts=True)
                columns.append(found.astype(np.int32))
                values.append(np.sqrt(counts / len(places)).astype(np.float32))
        ends.append(sum(map(len, columns[-2:])) + ends[-1] if len(tokens) > 1 else ends[-1] + len(tokens))
    if not columns:
        return csr_matrix((len(ends) - 1, COLUMNS), dtype=np.float32)
    parts = np.concatenate(values), np.concatenate(columns), np.array(ends)
    return csr_matrix(parts, shape=(len(ends) - 1, COLUMNS))
