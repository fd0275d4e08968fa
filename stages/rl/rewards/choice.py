"""Accuracy of a multiple-choice answer in a strict form: case analysis."""

from collections.abc import Sequence
from typing import Any

from stages._worker.choice_form import read_choice
from stages._worker.failures import DataError
from stages.rl.rewards.registry import Question


class Choice:
    """1 for exactly the right letters, 0 for others and for an answer that states none.

    With `partial` above 0, a non-empty proper subset of several right letters earns that much.
    """

    def __init__(self, partial: float) -> None:
        self._partial = partial

    def score(self, question: Question, answers: Sequence[str]) -> list[float | None]:
        gold = read_choice(str(question.meta.get("answer") or question.reference))
        if not gold:
            raise DataError(f"sample {question.id}: no right option in meta.answer or reference")
        return [self._one(read_choice(answer), gold) for answer in answers]

    def _one(self, chosen: frozenset[str] | None, gold: frozenset[str]) -> float:
        if chosen == gold:
            return 1.0
        return self._partial if chosen and chosen < gold else 0.0


def build(settings: dict[str, Any]) -> Choice:
    """`partial`: reward of a proper subset, 0 by default."""
    return Choice(partial=float(settings.get("partial", 0.0)))
