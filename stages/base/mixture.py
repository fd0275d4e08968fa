"""The order of base training: groups by their shares, entries of a group by seeded permutations."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(kw_only=True, slots=True, frozen=True)
class Mixture:
    """Which entry of which group every place of training takes."""

    groups: np.ndarray
    """Group of each place."""
    indices: np.ndarray
    """Entry of that group."""
    passes: list[float]
    """How often each group is gone through."""

    def sha256(self) -> str:
        """SHA-256 over (group, index) pairs as little-endian uint32."""
        pairs = np.stack([self.groups, self.indices], axis=1).astype("<u4")
        return hashlib.sha256(pairs.tobytes()).hexdigest()


def plan_mixture(entries: Sequence[int], shares: Sequence[float], *, places: int, seed: int) -> Mixture:
    """Each place goes to the group that is most behind its share; inside a group every pass is a new permutation."""
    weights = np.asarray(shares, np.float64) / sum(shares)
    taken = np.zeros(len(entries), np.int64)
    groups = np.zeros(places, np.int64)
    indices = np.zeros(places, np.int64)
    permutations = [np.zeros(0, np.int64)] * len(entries)
    for place in range(places):
        group = int(np.argmax(weights * (place + 1) - taken))
        at = taken[group] % entries[group]
        if at == 0:
            key = [seed, group << 32 | int(taken[group] // entries[group])]
            permutations[group] = np.random.Generator(np.random.Philox(key=key)).permutation(entries[group])
        groups[place], indices[place] = group, permutations[group][at]
        taken[group] += 1
    return Mixture(
        groups=groups, indices=indices, passes=[t / n for t, n in zip(taken, entries, strict=True)]
    )
