"""Evaluation tasks: items with a prompt form and a way to be scored."""

from dataclasses import dataclass
from typing import Literal

Scoring = Literal["choice", "rouge_l"]
Form = Literal["lexeval", "jecqa"]

# What LexEval scores as text; all its other tasks are multiple choice.
LEXEVAL_GENERATION = ("5_1", "5_2", "5_3", "5_4")


@dataclass(frozen=True, kw_only=True, slots=True)
class Item:
    """One question. `question` is LexEval's `input`, or JEC-QA's `statement` and `option_list` in two lines."""

    id: int  # row number in the file, from 0
    instruction: str
    question: str
    answer: str
    options: tuple[str, ...] = ()  # texts of options A, B, …, where they are known one by one
    source: str = ""  # where it comes from, for the reader of the report


@dataclass(frozen=True, kw_only=True, slots=True)
class Task:
    """Items that are scored together."""

    id: str
    form: Form
    scoring: Scoring
    items: tuple[Item, ...]
    seen_in_training: bool = False  # true for prompts of the training pool, which show what RL sharpened
    examples: tuple[Item, ...] = ()  # for few-shot prompts


def scoring_of(form: Form, task_id: str) -> Scoring:
    """How LegalKit scores a task of that name."""
    return "rouge_l" if form == "lexeval" and task_id in LEXEVAL_GENERATION else "choice"
