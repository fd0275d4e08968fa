"""Soft-match F1 between two lists of items: statute application.

An item of the answer matches an item of the reference when their Rouge-L is above a threshold (0.5). Every
item is matched at most once, and the pairing is a largest one, so that repeating an item earns nothing.
"""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment

from stages._worker.failures import DataError
from stages._worker.rouge_words import rouge_l
from stages.rl.rewards.registry import Question

_NUMBERING = re.compile(r"^\s*(?:[（(]?[0-9一二三四五六七八九十]+[)）.、:：]|[-*•])\s*")


class SoftF1:
    """Reward = 2pr/(p+r) of matched items."""

    def __init__(self, threshold: float, separators: str) -> None:
        self._threshold = threshold
        self._separators = re.compile(separators)

    def items(self, text: str) -> list[str]:
        """Items of an answer, without their numbering and without empty ones."""
        return [item for part in self._separators.split(text) if (item := _NUMBERING.sub("", part).strip())]

    def score(self, question: Question, answers: Sequence[str]) -> list[float | None]:
        listed = question.meta.get("items")
        expected = [str(item) for item in listed] if listed else self.items(question.reference)
        if not expected:
            raise DataError(f"sample {question.id}: no items in meta.items or reference")
        return [self._one(self.items(answer), expected) for answer in answers]

    def _one(self, given: list[str], expected: list[str]) -> float:
        if not given:
            return 0.0
        matches = np.array([[rouge_l(a, b) > self._threshold for b in expected] for a in given])
        rows, columns = linear_sum_assignment(matches, maximize=True)
        matched = int(matches[rows, columns].sum())
        return 2 * matched / (len(given) + len(expected))


def build(settings: dict[str, Any]) -> SoftF1:
    """`threshold` (0.5) of Rouge-L above which items match; `separators`, a pattern between items."""
    return SoftF1(
        threshold=float(settings.get("threshold", 0.5)),
        separators=str(settings.get("separators", r"[\n；;]+")),
    )
