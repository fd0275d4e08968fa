"""Probes: the reward of fixed prompts, drawn with the same random numbers every time they are asked."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from stages._worker.data.tokenizer import Tokenizer
from stages._worker.inference.bootstrap import Interval, gain_interval, ratio_interval
from stages.rl.pool import Prompt
from stages.rl.rewards.registry import Reward, score_replies
from stages.rl.rollout import RolloutBackend

# Steps no training reaches: probes of pool and held-out prompts have random numbers of their own.
_STEPS = {"probe": 2**62, "heldout": 2**62 + 1}


@dataclass(frozen=True, kw_only=True, slots=True)
class ProbeResult:
    """Mean reward over prompts and samples, with an interval over prompts, and one answer to each prompt."""

    reward: Interval
    means: list[float | None]  # mean reward of each prompt
    length: float  # mean tokens of an answer
    answers: list[dict[str, Any]]


def probe(
    prompts: tuple[Prompt, ...],
    backend: RolloutBackend,
    reward: Reward,
    tokenizer: Tokenizer,
    *,
    kind: str,
    samples: int,
    longest: int,
    temperature: float,
    seed: int,
) -> ProbeResult | None:
    """Asks every prompt `samples` times; None when there are no prompts or no verdicts."""
    if not prompts:
        return None
    rollouts = backend.answer(
        [prompt for prompt in prompts for _ in range(samples)],
        longest=longest,
        temperature=temperature,
        seed=seed,
        step=_STEPS[kind],
        first_item=0,
    )
    sums, counts, answers = [], [], []
    for place, prompt in enumerate(prompts):
        mine = rollouts[place * samples : (place + 1) * samples]
        texts = [tokenizer.decode(rollout.tokens, skip_special=True) for rollout in mine]
        scores = score_replies(reward, prompt.question, texts)
        given = [score for score in scores if score is not None]
        sums.append(sum(given))
        counts.append(len(given))
        answers.append(
            {
                "prompt": prompt.question.prompt,
                "reference": prompt.question.reference,
                "answer": texts[0],
                "reward": scores[0],
                "mean_reward": sum(given) / len(given) if given else None,
            }
        )
    if not sum(counts):
        return None
    return ProbeResult(
        reward=ratio_interval(np.array(sums, np.float64), np.array(counts, np.float64), seed=seed),
        means=[answer["mean_reward"] for answer in answers],
        length=float(np.mean([len(rollout.tokens) for rollout in rollouts])),
        answers=answers,
    )


def gain_of(before: list[float | None], after: list[float | None], *, seed: int) -> Interval | None:
    """How much the reward rose, prompt by prompt, with an interval over prompts; None where no prompt has both."""
    pairs = [pair for pair in zip(before, after, strict=True) if None not in pair]
    if not pairs:
        return None
    first, second = np.array(pairs, np.float64).T
    return gain_interval(first, second, seed=seed)
