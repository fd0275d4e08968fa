"""From rollouts to the arrays of an update: groups, advantages, padding. Pure NumPy."""

from dataclasses import dataclass

import numpy as np

from stages.rl.advantage import Baseline, group_advantages, overlong_penalty
from stages.rl.pool import Prompt
from stages.rl.rollout import Rollout


@dataclass(kw_only=True, slots=True)
class AnswerGroup:
    """Answers to one prompt that have a verdict. `rewards` are what advantages are made of."""

    prompt: Prompt
    rollouts: list[Rollout]
    scores: np.ndarray  # (group,) of the reward alone
    rewards: np.ndarray  # (group,) with the overlong penalty

    def lengths(self) -> np.ndarray:
        """Answer tokens of each rollout, the stop token counted."""
        return np.array([len(rollout.tokens) for rollout in self.rollouts])


def make_group(
    prompt: Prompt, rollouts: list[Rollout], scores: list[float | None], *, longest: int, buffer: int
) -> AnswerGroup | None:
    """The group without answers that have no verdict; None when fewer than two are left."""
    kept = [(rollout, score) for rollout, score in zip(rollouts, scores, strict=True) if score is not None]
    if len(kept) < 2:
        return None
    plain = np.array([score for _, score in kept], dtype=np.float64)
    penalties = np.array([overlong_penalty(len(rollout.tokens), longest, buffer) for rollout, _ in kept])
    return AnswerGroup(
        prompt=prompt, rollouts=[rollout for rollout, _ in kept], scores=plain, rewards=plain + penalties
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Shape:
    """Fixed shape of an update: rows, and the places of prompt and answer in each."""

    rows: int
    prompt: int
    answer: int


def arrays_of(
    groups: list[AnswerGroup], shape: Shape, *, baseline: Baseline, divide_by_deviation: bool
) -> tuple[np.ndarray, ...]:
    """tokens, padding, counted, old log-probabilities, advantages as DapoLoss takes them.

    Prompts end at column `shape.prompt`. Rows that no answer fills count nothing. Log-probabilities the rollout
    did not bring are left 0 and have to be computed before the update.
    """
    tokens = np.zeros((shape.rows, shape.prompt + shape.answer), np.int32)
    padding = np.full(shape.rows, shape.prompt - 1, np.int32)
    counted = np.zeros((shape.rows, shape.answer), np.float32)
    old = np.zeros((shape.rows, shape.answer), np.float32)
    advantages = np.zeros(shape.rows, np.float32)
    row = 0
    for group in groups:
        gains = group_advantages(
            group.rewards, group.lengths(), baseline=baseline, divide_by_deviation=divide_by_deviation
        )
        for rollout, gain in zip(group.rollouts, gains, strict=True):
            start, length = shape.prompt - len(group.prompt.tokens), len(rollout.tokens)
            tokens[row, start : shape.prompt] = group.prompt.tokens
            tokens[row, shape.prompt : shape.prompt + length] = rollout.tokens
            padding[row] = start
            counted[row, :length] = 1
            if rollout.log_probs is not None:
                old[row, :length] = rollout.log_probs[:length]
            advantages[row] = gain
            row += 1
    return tokens, padding, counted, old, advantages


def split_groups(groups: list[AnswerGroup], updates: int, *, seed: int, step: int) -> list[list[AnswerGroup]]:
    """Groups of one step, shuffled and dealt to at most `updates` mini-batches; none is empty."""
    stream = np.random.Generator(np.random.Philox(key=[seed, step], counter=[0, 0, 0, 1]))
    order = stream.permutation(len(groups))
    parts = np.array_split(order, min(updates, len(groups)))
    return [[groups[place] for place in part] for part in parts]
