"""A cheap predictor of log perplexity: ridge regression on hashed n-grams, by SciPy's sparse least squares."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix, hstack
from scipy.sparse.linalg import lsmr

from stages.perplexity.ngrams import ngram_rows

DAMPING = (0.1, 0.3, 1.0, 3.0)
"""Strengths of the ridge that are tried; the tuning part chooses."""
_MOST_STRETCH = 3.0


@dataclass(slots=True, frozen=True)
class Predictor:
    """exp(offset + stretch * (features @ weights)), see `fit`."""

    surprise: np.ndarray
    """-log share of every token among the measured documents, nats."""
    weights: np.ndarray
    offset: float
    stretch: float

    def predict(self, documents: Iterable[np.ndarray]) -> np.ndarray:
        """Perplexity of each document of int32 tokens; infinity for one without tokens."""
        known = list(documents)
        raw = _features(known, self.surprise) @ self.weights
        empty = np.array([len(tokens) == 0 for tokens in known], np.bool_)
        return np.where(empty, np.inf, np.exp(np.minimum(self.offset + self.stretch * raw, 700.0)))


def fit(documents: list[np.ndarray], perplexities: np.ndarray, *, vocabulary: int) -> Predictor:
    """Learns from measured documents (int32 tokens, not empty, in an order that means nothing).

    The last eighth chooses the damping and gives predictions the mean and the spread of the measured ones: plain
    ridge pulls to the mean, and would put too few documents into the outer bands.
    """
    logs = np.log(perplexities)
    tune = max(2, len(documents) // 8)
    learn = len(documents) - tune
    counts = np.ones(vocabulary)
    for tokens in documents[:learn]:
        np.add.at(counts, tokens, 1)
    surprise = -np.log(counts / counts.sum())
    rows = _features(documents, surprise)
    mean = logs[:learn].mean()
    found = [
        lsmr(rows[:learn], logs[:learn] - mean, damp=damp, maxiter=60)[0].astype(np.float64)
        for damp in DAMPING
    ]
    errors = [np.square(rows[learn:] @ weights + mean - logs[learn:]).mean() for weights in found]
    weights = found[int(np.argmin(errors))]
    raw = rows[learn:] @ weights
    stretch = float(np.clip(logs[learn:].std() / max(raw.std(), 1e-9), 0.0, _MOST_STRETCH))
    offset = float(logs[learn:].mean() - stretch * raw.mean())
    return Predictor(surprise=surprise, weights=weights, offset=offset, stretch=stretch)


def _features(documents: list[np.ndarray], surprise: np.ndarray) -> csr_matrix:
    """N-grams and four columns: mean surprise, its spread, log length, share of distinct tokens."""
    dense = np.zeros((len(documents), 4), np.float32)
    for row, tokens in zip(dense, documents, strict=True):
        if len(tokens):
            own = surprise[tokens]
            row[:] = own.mean(), own.std(), np.log(len(tokens)) / 4, len(np.unique(tokens)) / len(tokens)
    return hstack([ngram_rows(documents), csr_matrix(dense)], format="csr")
