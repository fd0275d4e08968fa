"""One row of the report: a task, a model, and its scores in every mode."""

from typing import Any

import numpy as np

from stages._worker.choice_form import read_choice
from stages._worker.inference.bootstrap import Interval, ratio_interval
from stages.eval.compatible_scores import choice_score, clean_prediction, rouge_score
from stages.eval.predictions import Prediction
from stages.eval.strict_scores import Verdict, judge_item
from stages.eval.task import Task, split_options


def compatible_score(task: Task, predictions: list[Prediction]) -> float | None:
    """LegalKit's number, in percent; None where LegalKit writes NaN."""
    texts = [clean_prediction(item.prediction) for item in predictions]
    golds = [item.gold for item in predictions]
    score = (rouge_score if task.scoring == "rouge_l" else choice_score)(texts, golds)
    return None if np.isnan(score) else score


def strict_verdicts(task: Task, predictions: list[Prediction]) -> list[Verdict]:
    """The strict verdict on every prediction, in the order of the items."""
    return [judge_item(task.scoring, item.prediction, item.gold) for item in predictions]


def score_row(
    task: Task,
    model: str,
    predictions: list[Prediction],
    verdicts: list[Verdict],
    *,
    likeliest: list[str | None] | None,
    seed: int,
) -> dict[str, Any]:
    """Scores in percent. `strict` has a bootstrap interval over items; `option_likelihood` is None where it does not apply."""
    scores = np.array([verdict.score for verdict in verdicts if verdict.score is not None])
    strict = _mean(scores, seed)
    likelihood = None if likeliest is None else _likelihood(predictions, likeliest, seed)
    return {
        "task": task.id,
        "model": model,
        "scoring": task.scoring,
        "seen_in_training": task.seen_in_training,
        "items": len(predictions),
        "invalid": sum(verdict.score is None for verdict in verdicts),
        "answered": sum(verdict.answered for verdict in verdicts),
        "compatible": compatible_score(task, predictions),
        **_percent("strict", strict),
        **_percent("option_likelihood", likelihood),
        "chance": chance(task),
    }


def chance(task: Task) -> float | None:
    """Percent that blind choice of one letter gets; None for tasks that are no choice."""
    shares = chance_shares(task)
    return None if shares is None else 100 * float(np.mean(shares))


def chance_shares(task: Task) -> list[float] | None:
    """What blind choice of one letter gets of each item; None where options are not listed."""
    counts = [len(split_options(item.question)[1]) for item in task.items]
    return [1 / count for count in counts] if task.scoring == "choice" and all(counts) else None


def _likelihood(predictions: list[Prediction], likeliest: list[str | None], seed: int) -> Interval | None:
    right = np.array(
        [
            float(read_choice(item.gold) == frozenset(letter))
            for item, letter in zip(predictions, likeliest, strict=True)
            if letter is not None
        ]
    )
    return _mean(right, seed)


def _mean(values: np.ndarray, seed: int) -> Interval | None:
    return ratio_interval(values, np.ones_like(values), seed=seed) if len(values) else None


def _percent(name: str, interval: Interval | None) -> dict[str, float | None]:
    if interval is None:
        return {name: None, f"{name}_lo": None, f"{name}_hi": None}
    return {name: 100 * interval.value, f"{name}_lo": 100 * interval.low, f"{name}_hi": 100 * interval.high}
