"""Scores without LegalKit's defects: every item counts once, against its own reference.

A broken `<think>` form and an answer that states no choice are unanswered: they score 0 and are counted. An
item whose reference is empty or unreadable is invalid: it is counted and left out, never right.
"""

from dataclasses import dataclass

from stages._worker.choice_form import read_choice
from stages._worker.rouge_words import normalise, rouge_l
from stages._worker.think_form import CLOSE, OPEN, parse_reply
from stages.eval.task import Scoring


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """Score in [0, 1] of one item; None when its reference is invalid."""

    score: float | None
    answered: bool


def final_answer(prediction: str) -> str | None:
    """What a reply says in the end: its answer in the `<think>` form or after the model card's "[final answer]";
    all of it when it has neither; None when its `<think>` form is broken."""
    reply = parse_reply(prediction)
    if reply is not None:
        return reply.answer
    if OPEN in prediction or CLOSE in prediction:
        return None
    return prediction.strip() or None


def judge_item(scoring: Scoring, prediction: str | None, reference: str) -> Verdict:
    """Score of one item; a missing prediction (None) is unanswered."""
    answer = None if prediction is None else final_answer(prediction)
    if scoring == "choice":
        gold = read_choice(reference)
        if gold is None:
            return Verdict(score=None, answered=answer is not None)
        chosen = None if answer is None else read_choice(answer)
        return Verdict(score=float(chosen == gold), answered=chosen is not None)
    if not normalise(reference):
        return Verdict(score=None, answered=answer is not None)
    answered = answer is not None and bool(normalise(answer))
    return Verdict(score=rouge_l(answer, reference) if answered else 0.0, answered=answered)
