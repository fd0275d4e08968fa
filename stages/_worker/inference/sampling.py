"""Drawing tokens on the host, from random numbers that are a function of (seed, step, item)."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np


def uniforms(seed: int, step: int, items: Iterable[int], count: int) -> np.ndarray:
    """(items, count) numbers in [0, 1): row i depends on (seed, step, item) alone."""
    rows = []
    for item in items:
        counter = np.array([0, item, 0, 0], np.uint64)
        key = np.array([seed, step], np.uint64)
        rows.append(np.random.Generator(np.random.Philox(counter=counter, key=key)).random(count))
    return np.stack(rows)


def pick(logits: np.ndarray, draws: np.ndarray, temperature: float) -> tuple[np.ndarray, np.ndarray]:
    """Tokens (N,) and their log p (N,) from logits (N, V) and one uniform number a row.

    The token is where the cumulative probability passes the number: one draw a token, where Gumbel noise
    would need one for every entry of the vocabulary. Temperature 0 is the likeliest token, at temperature 1's log p.
    """
    scaled = logits / temperature if temperature > 0 else logits
    scaled = scaled - scaled.max(axis=1, keepdims=True)
    sums = np.cumsum(np.exp(scaled), axis=1, dtype=np.float64)
    totals = sums[:, -1]
    if temperature > 0:
        passed = [
            np.searchsorted(row, bound, side="right") for row, bound in zip(sums, draws * totals, strict=True)
        ]
        tokens = np.minimum(np.array(passed), logits.shape[1] - 1)
    else:
        tokens = logits.argmax(axis=1)
    return tokens, scaled[np.arange(len(tokens)), tokens] - np.log(totals)
