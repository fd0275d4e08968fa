"""LexEval and JEC-QA files, and prediction files, with their errors."""

import json
from pathlib import Path

import pytest

from stages._worker.data.task_items import read_items
from stages._worker.failures import DataError
from stages.eval.predictions import Prediction, read_predictions, write_predictions
from stages.eval.task_files import load_tasks

ROW = {"instruction": "请选择", "input": "题目\u2028续", "answer": "A"}


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_lines_and_an_array_read_the_same(tmp_path: Path) -> None:
    lines = write(
        tmp_path / "a.jsonl", "\n".join(json.dumps(ROW, ensure_ascii=False) for _ in range(2)) + "\n\n"
    )
    array = write(tmp_path / "b.json", json.dumps([ROW, ROW]))
    assert [item.question for item in read_items(lines, "lexeval")] == ["题目\u2028续"] * 2
    assert [item.id for item in read_items(array, "lexeval")] == [0, 1]


def test_jecqa_joins_statement_and_options(tmp_path: Path) -> None:
    row = {"statement": "题干", "option_list": "A：甲\nB：乙", "answer": "AB"}
    [item] = read_items(write(tmp_path / "0_test.json", json.dumps(row)), "jecqa")
    assert item.question == "题干\nA：甲\nB：乙"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{}\n", "needs the texts input, answer"),
        ('{"input": "a", "answer": "A"}\nnot json\n', ":2: not JSON"),
        ("[1]", "item 0 is no object"),
        ("[{", "starts as a JSON array"),
        ('{"input": "a", "answer": null}', "answer"),
    ],
)
def test_bad_files_are_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_items(write(tmp_path / "1_2.json", text), "lexeval")


def test_tasks_of_a_folder(tmp_path: Path) -> None:
    shots = tmp_path / "few_shot"
    shots.mkdir()
    for name in ("5_3", "1_2"):
        write(tmp_path / f"{name}.jsonl", "\n".join([json.dumps(ROW)] * 3))
    write(shots / "1_2.jsonl", json.dumps(ROW))
    tasks = load_tasks(tmp_path, "lexeval", only=[], limit=2, few_shot=shots)
    assert [(task.id, task.scoring, len(task.items), len(task.examples)) for task in tasks] == [
        ("1_2", "choice", 2, 1),
        ("5_3", "rouge_l", 2, 0),
    ]


def test_a_missing_task_is_named(tmp_path: Path) -> None:
    write(tmp_path / "1_2.json", json.dumps([ROW]))
    with pytest.raises(DataError, match="no file for 9_9; there are 1_2"):
        load_tasks(tmp_path, "lexeval", only=["9_9"], limit=None, few_shot=None)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ([{"id": 0, "prediction": "A"}, {"id": "0", "prediction": "B"}], {"": {0: "B"}}),
        ({"0": "A", "1": {"prediction": "B"}}, {"": {0: "A", 1: "B"}}),
        ({"1_2": [{"id": 0, "prediction": "A"}], "5_3": {"3": "x"}}, {"1_2": {0: "A"}, "5_3": {3: "x"}}),
        ({"tasks": {"1_2": {"0": "A"}}}, {"1_2": {0: "A"}}),
        ({"task": "1_2", "predictions": {"0": "A"}}, {"1_2": {0: "A"}}),
        ([{"id": 0, "prediction": None}], {"": {0: ""}}),
    ],
)
def test_every_form_of_predictions(tmp_path: Path, value: object, expected: dict) -> None:
    assert read_predictions(write(tmp_path / "p.json", json.dumps(value))) == expected


@pytest.mark.parametrize("text", ["", "3", '[{"id": "x", "prediction": "A"}]', '[{"id": 1.5}]x', '{"a": 3}'])
def test_wrong_predictions_are_named(tmp_path: Path, text: str) -> None:
    with pytest.raises(DataError, match=r"p\.json"):
        read_predictions(write(tmp_path / "p.json", text))


def test_written_predictions_have_legalkits_layout(tmp_path: Path) -> None:
    write_predictions(tmp_path, "1_2", [Prediction(id=0, prompt="p", prediction="A", gold="B")])
    path = tmp_path / "predict" / "1_2" / "1_2_0.json"
    assert json.loads(path.read_text()) == [{"id": 0, "prompt": "p", "prediction": "A", "gold": "B"}]
    assert read_predictions(path) == {"": {0: "A"}}
