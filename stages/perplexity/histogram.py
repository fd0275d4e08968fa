"""Histograms of perplexities on one lattice of edges, so that those of shards add up to that of the whole."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

PER_OCTAVE = 32
"""Bins between a perplexity and its double: each is 2.2 % wide."""


def histogram(perplexities: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Documents by group over the bins that any group reaches; those without a finite perplexity are left out.

    `edges` are 2^(k/32), whole k, to seven digits: the same numbers in every shard.
    """
    places = {group: _places(values) for group, values in perplexities.items()}
    reached = np.concatenate([*places.values(), np.zeros(0, np.int64)])
    if not len(reached):
        return {"edges": [], "groups": []}
    first, last = int(reached.min()), int(reached.max())
    return {
        "edges": [float(f"{2 ** (place / PER_OCTAVE):.7g}") for place in range(first, last + 2)],
        "groups": [
            {"group": group, "counts": np.bincount(mine - first, minlength=last - first + 1).tolist()}
            for group, mine in places.items()
        ],
    }


def distribution(perplexities: np.ndarray) -> dict[str, Any]:
    """Edges and counts of one group, as the merge rule `quantile` of stage.yaml reads them."""
    found = histogram({"": perplexities})
    return {"edges": found["edges"], "counts": found["groups"][0]["counts"] if found["groups"] else []}


def _places(perplexities: np.ndarray) -> np.ndarray:
    finite = perplexities[np.isfinite(perplexities)]
    return np.floor(PER_OCTAVE * np.log2(finite)).astype(np.int64)
