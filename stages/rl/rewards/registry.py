"""Rewards by name: `kind: rouge_l` of a configs/rewards/*.yaml is the module stages/rl/rewards/rouge_l.py.

Such a module has `build(settings) -> Reward`. A new reward is a new file; there is no list to edit.
"""

import importlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from stages._worker.failures import UserError
from stages._worker.think_form import parse_think_form


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """What a reward may look at: the sample's prompt, reference and meta."""

    id: str
    prompt: str
    reference: str
    meta: dict[str, Any]


class Reward(Protocol):
    """Scores final answers (the text after `</think>`)."""

    def score(self, question: Question, answers: Sequence[str]) -> list[float | None]:
        """Rewards in [0, 1], one an answer; None where no verdict could be had (never a 0 in its place).

        Raises EndpointUnavailable when a judge stays out of reach.
        """
        ...


def load_reward(settings: dict[str, Any]) -> Reward:
    """The reward that a resolved configs/rewards/*.yaml describes."""
    kind = str(settings.get("kind", ""))
    if not re.fullmatch(r"[a-z][a-z0-9_]*", kind):
        raise UserError(f"reward kind is {kind!r}: expected the name of a file in stages/rl/rewards/")
    try:
        module = importlib.import_module(f"stages.rl.rewards.{kind}")
    except ModuleNotFoundError as error:
        if error.name != f"stages.rl.rewards.{kind}":
            raise
        raise UserError(f"no reward '{kind}': stages/rl/rewards/{kind}.py does not exist") from error
    return module.build(settings)


def score_replies(reward: Reward, question: Question, replies: Sequence[str]) -> list[float | None]:
    """Rewards of whole replies: a broken `<think>` form is 0 and the reward never sees it."""
    parsed = [parse_think_form(reply) for reply in replies]
    whole = [reply.answer for reply in parsed if reply is not None]
    scores = iter(reward.score(question, whole)) if whole else iter(())
    return [0.0 if reply is None else next(scores) for reply in parsed]
