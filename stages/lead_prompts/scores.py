"""Completeness and complexity of facts, 1 to 5, by rules; what the rules leave open is for the model."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from stages._lead.clauses import clauses

_AMENDMENT = re.compile(r"修改为|删去|增加一[款条项]|作为第")
_ELEMENTS = (
    re.compile(r"被告人|上诉人|原告|被告|申请人|当事人|某"),
    re.compile(r"\d{4}年|\d{1,2}月|\d{1,2}日|[上下]午|凌晨"),
    re.compile(r"在|到|窜至|位于"),
    re.compile(r"元|伤|死亡|克|价值|损失|经鉴定|[吨亩株支]"),
)
_COMPLEXITY_STEPS = (2, 4, 9, 20)

SCORE_SCHEMA = {
    "type": "object",
    "required": ["completeness", "complexity"],
    "properties": {
        "completeness": {"type": "integer", "minimum": 1, "maximum": 5},
        "complexity": {"type": "integer", "minimum": 1, "maximum": 5},
    },
}


@dataclass(kw_only=True, slots=True, frozen=True)
class Scores:
    """Marks of 1 to 5; None where the rules are not sure."""

    completeness: int | None
    complexity: int | None

    @property
    def open(self) -> bool:
        """Whether a model has to say."""
        return self.completeness is None or self.complexity is None


def score_article(text: str) -> Scores:
    """An article stands for itself unless it only amends another one or breaks off; longer ones are more complex."""
    complete = 5
    if _AMENDMENT.search(text):
        complete = 2
    elif text.rstrip()[-1:] not in "。；：）”":
        complete = 1
    return Scores(completeness=complete, complexity=_by_steps(len(text), (15, 24, 80, 200)))


def score_facts(facts: str, *, has_outcome: bool) -> Scores:
    """Who, when, where, what came of it, and a known outcome: 4 of 5 or more are complete, 1 or fewer are not.

    In between a text may tell the same in other words: that is left open.
    """
    found = sum(bool(element.search(facts)) for element in _ELEMENTS) + has_outcome
    complete = found if found >= 4 else max(1, found) if found <= 1 else None
    return Scores(completeness=complete, complexity=_by_steps(len(clauses(facts)), _COMPLEXITY_STEPS))


def score_parts(parts: dict[str, Any], wanted: list[str]) -> Scores:
    """A document with all wanted parts of some length is complete; with none it is not; else it is open."""
    lengths = [len(parts.get(part, "")) for part in wanted]
    complete = None
    if all(length >= 80 for length in lengths):
        complete = 5
    elif not any(lengths):
        complete = 1
    text = "。".join(str(parts.get(part, "")) for part in wanted)
    return Scores(completeness=complete, complexity=_by_steps(len(clauses(text)), _COMPLEXITY_STEPS))


def _by_steps(value: int, steps: tuple[int, ...]) -> int:
    return 1 + sum(value >= step for step in steps)
