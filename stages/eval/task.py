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


_LETTERS = "ABCDEFGH"
_OPTION = re.compile(r"(?:^|(?<=[\s。？?！!；;：:）)”]))([A-H])\s*[:：.．、]\s*")
_RUN_ON = re.compile(r"([A-H])\s*[:：]\s*")


def split_options(question: str) -> tuple[str, list[str]]:
    """The stem of a multiple-choice question and the texts of its options A, B, …; no options when none are listed.

    Options stand in lines or behind each other, each after its letter and a colon, full stop or 、. After the first
    one they may follow without anything between (`？A：诈骗B：盗窃`): then each has a colon.
    """
    marks = list(_OPTION.finditer(question))
    if not _in_order(marks):
        first = next((mark for mark in marks if mark.group(1) == "A"), None)
        marks = [] if first is None else [first, *_RUN_ON.finditer(question, first.end())]
    if not _in_order(marks):
        return question, []
    ends = [mark.start() for mark in marks[1:]] + [len(question)]
    texts = [question[mark.end() : end].strip() for mark, end in zip(marks, ends, strict=True)]
    return question[: marks[0].start()].strip(), texts


def _in_order(marks: list[re.Match[str]]) -> bool:
    letters = [mark.group(1) for mark in marks]
    return len(letters) > 1 and letters == list(_LETTERS[: len(letters)])


def scoring_of(form: Form, task_id: str) -> Scoring:
    """How LegalKit scores a task of that name."""
    return "rouge_l" if form == "lexeval" and task_id in LEXEVAL_GENERATION else "choice"
