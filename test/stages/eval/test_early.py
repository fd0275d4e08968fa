"""What the early look says of evaluations: task files and predictions that are there, and as they have to be."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from support.early import look_early, sentences

JEC = {"statement": "下列说法正确的是", "option_list": "A. 甲\nB. 乙", "answer": "A"}


def look(files: dict[str, Any], **more: Any) -> list[str]:
    suite = {"about": "x", "files": [files]}
    return sentences(look_early({"kind": "eval", "with": {"evaluation": suite, **more}}))


def folder_of(path: Path, **tasks: str) -> Path:
    path.mkdir()
    for name, text in tasks.items():
        (path / name.replace("_json", ".json")).write_text(text, encoding="utf-8")
    return path


def test_sound_files_are_let_through(tmp_path: Path) -> None:
    lines = "\n".join(json.dumps(JEC, ensure_ascii=False) for _ in range(100))
    array = json.dumps([JEC, JEC], ensure_ascii=False)
    # What comes after the first items is not read.
    folder = folder_of(tmp_path / "jec", one_jsonl=lines + "\nno JSON", two_json="\n " + array)
    assert look({"form": "jecqa", "folder": str(folder)}) == []


def test_a_task_without_a_file_and_fields_that_are_not_there_are_told(tmp_path: Path) -> None:
    folder = folder_of(
        tmp_path / "lex", a_jsonl=json.dumps(JEC), b_json="[1, ", c_jsonl="no JSON\n", d_json="[]"
    )
    assert [one.replace(f"{folder}/", "") for one in look({"form": "lexeval", "folder": str(folder)})] == [
        "a.jsonl: item 0 needs the texts input; it has statement, option_list, answer",
        "b.json: starts as a JSON array, but Expecting value: line 1 column 5 (char 4)",
        "c.jsonl:1: not JSON (Expecting value: line 1 column 1 (char 0))",
        "d.json has no item",
    ]
    (found,) = look({"form": "lexeval", "folder": str(folder), "tasks": ["a", "9_9"]})
    assert found.endswith("lex: no file for 9_9; there are a, b, c, d")


def test_predictions_of_another_form_are_refused(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "jec", one_jsonl=json.dumps(JEC))
    (tmp_path / "theirs.json").write_text('[{"id": "x", "prediction": 3}]')
    (found,) = look(
        {"form": "jecqa", "folder": str(folder)}, predictions={"theirs": str(tmp_path / "theirs.json")}
    )
    assert found.startswith("predictions.theirs: ") and "expected {id, prediction}" in found
