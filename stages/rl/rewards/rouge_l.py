"""Rouge-L F over jieba words against the reference: statute memorisation."""

from collections.abc import Sequence
from typing import Any

from stages._worker.rouge_words import rouge_l
from stages.rl.rewards.registry import Question


class RougeL:
    """Reward = Rouge-L F, as LexEval's generation tasks are scored."""

    def score(self, question: Question, answers: Sequence[str]) -> list[float | None]:
        return [rouge_l(answer, question.reference) for answer in answers]


def build(settings: dict[str, Any]) -> RougeL:
    """No settings beside `kind`."""
    return RougeL()
