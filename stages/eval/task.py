"""Evaluation tasks: items with a prompt form and a way to be scored."""

import re
from dataclasses import dataclass
from typing import Literal

from stages._worker.data.task_items import Item

Scoring = Literal["choice", "rouge_l"]
Form = Literal["lexeval", "jecqa", "message"]  # message: the question is the whole user message

# What LexEval scores as text; all its other tasks are multiple choice.
LEXEVAL_GENERATION = ("5_1", "5_2", "5_3", "5_4")


@dataclass(frozen=True, kw_only=True, slots=True)
class Task:
    """Items that are scored together."""

    id: str
    form: Form
    scoring: Scoring
    items: tuple[Item, ...]
    seen_in_training: bool = False  # true for prompts of the training pool, which show what RL sharpened
    examples: tuple[Item, ...] = ()  # for few-shot prompts


_OPTION = re.compile(r"(?:^|(?<=[\s。？?！!；;：:）)”]))([A-H])\s*[:：.．、]\s*")


def split_options(question: str) -> tuple[str, list[str]]:
    """The stem of a multiple-choice question and the texts of its options A, B, …; no options when none are listed.

    Options stand in lines or behind each other, each after its letter and a colon, full stop or 、.
    """
    marks = list(_OPTION.finditer(question))
    letters = [mark.group(1) for mark in marks]
    if len(letters) < 2 or letters != list("ABCDEFGH"[: len(letters)]):
        return question, []
    ends = [mark.start() for mark in marks[1:]] + [len(question)]
    texts = [question[mark.end() : end].strip() for mark, end in zip(marks, ends, strict=True)]
    return question[: marks[0].start()].strip(), texts


def scoring_of(form: Form, task_id: str) -> Scoring:
    """How LegalKit scores a task of that name."""
    return "rouge_l" if form == "lexeval" and task_id in LEXEVAL_GENERATION else "choice"
