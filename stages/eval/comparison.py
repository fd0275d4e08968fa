"""The delivered model beside the base it started from, task by task, over the same items."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from stages._worker.inference.bootstrap import Interval, gain_interval
from stages._worker.model.history import history_of
from stages.eval.scoring import chance, chance_shares
from stages.eval.strict_scores import Verdict
from stages.eval.task import Task


def contestants(models: dict[str, Path]) -> tuple[str | None, str | None]:
    """Names of the delivered model and of its base; the base is None where it is not among the models.

    Delivered is the model that most stages made, of several the last. Its base is the model its history begins with,
    or, where that history begins with no base stage, the one from outside the run.
    """
    if not models:
        return None, None
    histories = {name: history_of(folder) for name, folder in models.items()}
    delivered = max(reversed(models), key=lambda name: len(histories[name]))
    history = histories[delivered]
    base = history[0]["stage"] if history and history[0]["kind"] == "base" else "base"
    return delivered, base if base in models and base != delivered else None


def compare(
    task: Task,
    before: list[Verdict] | None,
    after: list[Verdict],
    *,
    seed: int,
    level: float,
) -> dict[str, Any]:
    """One line of the verdict, in percent: the base's score (`before`), the delivered model's (`after`), the gain with
    its paired bootstrap interval, and what can be told of it.

    `outcome`: better or worse where the interval leaves 0 out; `chance` where a gain in a choice reaches no more than
    blind choice gets; else same. Without a base there is none. Items without a valid reference are left out of both.
    """
    valid = [place for place, verdict in enumerate(after) if verdict.score is not None]
    line: dict[str, Any] = {
        "task": task.id,
        "scoring": task.scoring,
        "seen_in_training": task.seen_in_training,
        "items": len(valid),
        "chance": chance(task),
    }
    if not valid:
        return line | {"before": None, "after": None, "gain": None, "outcome": None}
    mine = np.array([after[place].score for place in valid], np.float64)
    if before is None:
        return line | {"before": None, "after": 100 * float(mine.mean()), "gain": None, "outcome": None}
    base = np.array([before[place].score for place in valid], np.float64)
    gain = gain_interval(base, mine, seed=seed, level=level)
    return line | {
        "before": 100 * float(base.mean()),
        "after": 100 * float(mine.mean()),
        "gain": 100 * gain.value,
        "gain_lo": 100 * gain.low,
        "gain_hi": 100 * gain.high,
        "outcome": _outcome(gain, _above_chance(task, valid, mine, seed=seed, level=level)),
    }


def _above_chance(task: Task, valid: list[int], mine: np.ndarray, *, seed: int, level: float) -> bool:
    shares = chance_shares(task)
    if shares is None:
        return True
    blind = np.array([shares[place] for place in valid])
    return gain_interval(blind, mine, seed=seed, level=level).low > 0


def _outcome(gain: Interval, above_chance: bool) -> str:
    if gain.high < 0:
        return "worse"
    if gain.low <= 0:
        return "same"
    return "better" if above_chance else "chance"
