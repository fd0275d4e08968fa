"""The delivered model beside its base, over the same items."""

import json
from pathlib import Path

import numpy as np
import pytest

from stages._worker.data.task_items import Item
from stages._worker.inference.bootstrap import gain_interval
from stages.eval.comparison import compare, contestants
from stages.eval.report import verdict_metrics
from stages.eval.strict_scores import Verdict
from stages.eval.task import Task


def task(count: int, *, scoring: str = "choice") -> Task:
    items = tuple(
        Item(id=n, instruction="", question="哪一项？A：甲B：乙C：丙D：丁", answer="A") for n in range(count)
    )
    return Task(id="law", form="message", scoring=scoring, items=items)


def verdicts(scores: list[float | None]) -> list[Verdict]:
    return [Verdict(score=score, answered=score is not None) for score in scores]


def outcome(before: list[float | None], after: list[float | None], **more: str) -> dict:
    return compare(task(len(after), **more), verdicts(before), verdicts(after), seed=1, level=0.95)


def test_a_gain_in_a_choice_counts_only_above_chance() -> None:
    found = outcome([0.0] * 40, [1.0] * 11 + [0.0] * 29)
    assert found["gain_lo"] > 0 and found["chance"] == 25.0
    assert found["outcome"] == "chance"
    assert outcome([0.0] * 40, [1.0] * 30 + [0.0] * 10)["outcome"] == "better"


def test_worse_same_and_text_that_has_no_chance() -> None:
    assert outcome([1.0] * 30 + [0.0] * 10, [0.0] * 35 + [1.0] * 5)["outcome"] == "worse"
    assert outcome([0.0, 1.0] * 20, [1.0, 0.0] * 20)["outcome"] == "same"
    text = outcome([0.1] * 40, [0.1, 0.3] * 20, scoring="rouge_l")
    assert text["chance"] is None and text["outcome"] == "better"


def test_items_are_paired() -> None:
    """Two models that are right on very different items, and one that is right on the same and a few more."""
    base = [1.0] * 50 + [0.0] * 50
    more = [1.0] * 60 + [0.0] * 40
    assert outcome(base, more)["outcome"] == "better"
    assert outcome(base, list(reversed(more)))["outcome"] == "same"


def test_items_without_a_valid_reference_are_left_out_of_both() -> None:
    found = outcome([None, 0.0, 0.0], [None, 1.0, 1.0])
    assert found["items"] == 2 and found["gain"] == 100.0
    assert outcome([None], [None])["outcome"] is None


def test_without_a_base_the_score_alone_is_told() -> None:
    found = compare(task(4), None, verdicts([1.0, 0.0, 0.0, 0.0]), seed=1, level=0.95)
    assert verdict_metrics({"tasks": [found]}) == {"law_after": 25.0, "law_chance": 25.0}


def test_the_interval_covers_a_known_gain() -> None:
    """Of 200 draws with a true gain of 0.3, the 90 % interval holds it in about 90 of 100."""
    stream = np.random.default_rng(5)
    covered = 0
    for draw in range(200):
        before = stream.random(40) < 0.3
        after = stream.random(40) < 0.6
        found = gain_interval(before, after, seed=draw, level=0.9)
        covered += found.low <= 0.3 <= found.high
    assert 165 <= covered <= 195


@pytest.mark.parametrize(
    ("histories", "expected"),
    [
        ({"base": ["base"], "sft": ["base", "sft"], "rl": ["base", "sft", "rl"]}, ("rl", "base")),
        ({"rl": ["base", "sft", "rl"], "sft": ["base", "sft"]}, ("rl", None)),
        ({"base": [], "midtrain": ["midtrain"], "rl": ["midtrain", "rl"]}, ("rl", "base")),
        ({"base": ["base"]}, ("base", None)),
        ({}, (None, None)),
    ],
)
def test_the_delivered_model_is_the_one_that_most_stages_made(
    tmp_path: Path, histories: dict[str, list[str]], expected: tuple[str | None, str | None]
) -> None:
    models = {}
    for name, stages in histories.items():
        models[name] = tmp_path / name
        models[name].mkdir()
        told = {"history": [{"stage": stage, "kind": stage, "metrics": {}} for stage in stages]}
        (models[name] / "legalone.json").write_text(json.dumps(told), encoding="utf-8")
    assert contestants(models) == expected
