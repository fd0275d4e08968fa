"""Advantages of DAPO with LegalOne's baseline, and DAPO's soft overlong penalty. Pure NumPy."""

from typing import Literal

import numpy as np

Baseline = Literal["length", "mean"]

_SPREAD = 1e-6  # rewards nearer to each other than this count as equal


def length_weighted_baseline(rewards: np.ndarray, lengths: np.ndarray) -> float:
    """b2 = sum(L_i R_i) / sum(L_i) over one group: the baseline of least variance for a token-level gradient."""
    total = float(np.sum(lengths))
    if total <= 0:
        raise ValueError(f"a group needs answers of at least one token, its lengths are {list(lengths)}")
    return float(np.dot(lengths, rewards) / total)


def group_advantages(
    rewards: np.ndarray, lengths: np.ndarray, *, baseline: Baseline, divide_by_deviation: bool
) -> np.ndarray:
    """Advantage of each answer of one group.

    `rewards` and `lengths` (tokens) have shape (group,). A_i = R_i - b, and divided by the group's standard
    deviation (of the population, as in DAPO) where asked. A group without spread has advantage 0.
    """
    rewards = np.asarray(rewards, dtype=np.float64)
    if not has_spread(rewards):
        return np.zeros_like(rewards)
    centre = length_weighted_baseline(rewards, lengths) if baseline == "length" else float(np.mean(rewards))
    advantages = rewards - centre
    return advantages / np.std(rewards) if divide_by_deviation else advantages


def has_spread(rewards: np.ndarray) -> bool:
    """Whether a group teaches anything: its rewards differ."""
    return bool(np.max(rewards) - np.min(rewards) > _SPREAD)


def overlong_penalty(length: int, longest: int, buffer: int) -> float:
    """Soft overlong penalty of DAPO (its equation 13), in [-1, 0].

    0 up to `longest - buffer` tokens, then falling in a straight line to -1 at `longest`; -1 beyond. A buffer
    of 0 turns it off.
    """
    if buffer <= 0:
        return 0.0
    free = longest - buffer
    if length <= free:
        return 0.0
    return max(-1.0, (free - length) / buffer)
