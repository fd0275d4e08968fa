"""Quality control: what heuristics drop, what the judge drops, and who steps in for a lost pool prompt."""

import pytest

from stages._worker.data.samples import trim_pools
from stages._worker.failures import DataError
from stages.lead_judge.heuristics import Heuristics
from stages.lead_judge.judge import AXES, lowest_axis
from stages.lead_judge.samples import general_samples, to_sample

TASKS = {
    "t": {
        "think_characters": 10,
        "answer_characters": 5,
        "ends_with": ["。"],
        "pool": {"name": "p", "size": 2},
    }
}


def row(**changes: object) -> dict:
    return {"task": "t", "question": "问", "think": "想好了。", "answer": "答", "flags": [], **changes}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, None),
        ({"flags": ["truncated:merge"]}, "truncated"),
        ({"think": "想到一半，"}, "truncated"),
        ({"think": ""}, "incomplete"),
        ({"answer": ""}, "incomplete"),
        ({"answer": "</think>"}, "incomplete"),
        ({"think": "想" * 10 + "。"}, "overlong"),
        ({"answer": "答答答答答答"}, "overlong"),
    ],
)
def test_a_trace_is_dropped_for_its_reason(changes: dict, reason: str | None) -> None:
    assert Heuristics(TASKS, 0).refuse(row(**changes)) == reason


def test_a_trace_said_before_is_dropped_whatever_its_marks() -> None:
    heuristics = Heuristics(TASKS, 0)
    assert heuristics.refuse(row()) is None
    assert heuristics.refuse(row(question="问？", think="想，好了。")) == "duplicate"
    assert heuristics.refuse(row(answer="别")) is None


def test_slack_lets_a_little_more_pass() -> None:
    assert Heuristics(TASKS, 0.1).refuse(row(think="想" * 10 + "。")) is None


def test_the_lowest_axis_names_the_reason() -> None:
    marks = dict.fromkeys(AXES, 9.0)
    assert lowest_axis({**marks, "language": 4, "overall": 4}) == "language"
    assert lowest_axis({**marks, "overall": 6}) == "overall"


def test_spare_prompts_step_in_and_a_short_pool_is_told() -> None:
    samples = [{"pool": "p"}, {"pool": None}, {"pool": "p"}, {"pool": "p"}]
    assert trim_pools(TASKS, samples) == []
    assert [sample["pool"] for sample in samples] == ["p", None, "p", None]
    assert trim_pools(TASKS, [{"pool": "p"}]) == [
        "1 of 2 prompts of the pool p passed; pool.spare of t was too small"
    ]
    with pytest.raises(DataError, match="no prompt of the pool p passed"):
        trim_pools(TASKS, [{"pool": None}])


def test_a_sample_has_the_answer_form() -> None:
    refined = {
        "id": "i",
        "route": "aligned",
        "reference": "答",
        "split": "train",
        "pool": None,
        "meta": {},
        "teacher": {},
    }
    sample = to_sample({**row(), **refined}, None)
    assert sample["messages"] == [
        {"role": "user", "content": "问"},
        {"role": "assistant", "content": "<think>想好了。</think>答"},
    ]


def test_general_samples_go_on_with_a_text_and_do_not_depend_on_its_order() -> None:
    documents = [
        {
            "id": f"d{n}",
            "license": "l",
            "text": f"第{n}天早上下起了大雨，村里的人都没有出门。到了下午天才放晴。",
        }
        for n in range(9)
    ]
    rule = {
        "samples": 4,
        "question": "续写：{start}",
        "think": "接着写。",
        "question_characters": 14,
        "answer_characters": 20,
    }
    made = list(general_samples(documents, rule, 3))
    assert len(made) == 4
    assert made == list(general_samples(reversed(documents), rule, 3))
    first = made[0]
    start = first["messages"][0]["content"].removeprefix("续写：")
    text = next(each["text"] for each in documents if each["id"] == first["meta"]["document"])
    assert text.startswith(start)
    assert first["reference"] in text.removeprefix(start)
    assert first["messages"][1]["content"] == f"<think>接着写。</think>{first['reference']}"
