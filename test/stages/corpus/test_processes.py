"""`processes: N` of the corpus stage: the same bytes and refusals as in one process."""

from __future__ import annotations

import gzip
import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from support.jobs import result_of, run_stage, stderr_of
from support.made_up_corpus import QUESTION, corpus, job_of, source, texts, write

from stages._worker import jsonl
from stages._worker.locations import CHECKOUT

SHARED = CHECKOUT.parent / "shared" / "data"


def outcome(folder: Path, config: dict[str, Any], processes: int) -> dict[str, Any]:
    """The result of the stage with what it committed: all that must not depend on the number of processes."""
    job = job_of(folder / str(processes), config, processes)
    code = run_stage(job)
    result = {name: value for name, value in result_of(job).items() if name != "at"}
    manifest = folder / str(processes) / "output" / "corpus" / "manifest.json"
    committed = json.loads(manifest.read_text(encoding="utf-8")) if manifest.is_file() else {}
    return {"code": code, "result": result, "files": committed.get("files")}


def mixed(folder: Path) -> dict[str, Any]:
    """Four sources of several batches with everything that can become of a row."""
    first = texts(1, 1500)
    path = write(folder / "first.jsonl", first)
    lines = path.read_bytes().splitlines(keepends=True)
    for place in (3, 700, 701, 1400):
        lines[place:place] = [b'{"text": "cut off\n']
    path.write_bytes(b"".join(lines))
    jsonl.write(folder / "exam" / "1_2.jsonl", [{"input": QUESTION, "answer": "B"}])
    exam = {"form": "lexeval", "folder": str(folder / "exam"), "tasks": [], "limit": None, "few_shot": None}
    (folder / "empty.jsonl").write_text("", encoding="utf-8")
    return corpus(
        source("first", path),
        source("empty", folder / "empty.jsonl"),
        source("copies", write(folder / "copies.jsonl", first[:600] + texts(2, 600)), sample=0.8),
        source("laws", write(folder / "laws.jsonl", texts(3, 512), status="old"), group="legal"),
        decontamination={"evaluations": [{"name": "exam", "about": "For a test.", "files": [exam]}]},
    )


def test_any_number_of_processes_gives_the_same_bytes(tmp_path: Path) -> None:
    config = mixed(tmp_path)
    alone = outcome(tmp_path, config, 1)
    assert alone["code"] == 0, alone
    report = json.loads((tmp_path / "1" / "output" / "corpus" / "report.json").read_text(encoding="utf-8"))
    first, empty, copies, laws = report["sources"]
    assert set(first["dropped"]) == {
        *("contaminated", "exact_duplicate", "language", "near_duplicate", "repetition", "too_short"),
    }
    assert (first["broken"]["rows"], empty["rows"], laws["rows"]) == (4, 0, 512)
    assert copies["dropped"]["not_selected"] > 100
    assert copies["dropped"]["exact_duplicate"] > 300
    for processes in (2, 3):
        assert outcome(tmp_path, config, processes) == alone


@pytest.mark.skipif(not SHARED.is_dir(), reason=f"no data slices at {SHARED}")
def test_real_documents_give_the_same_bytes(tmp_path: Path) -> None:
    exam = {
        "form": "lexeval",
        "folder": str(SHARED / "lexeval"),
        "tasks": [],
        "limit": None,
        "few_shot": None,
    }
    config = corpus(
        source(
            "statutes",
            SHARED / "statutes.jsonl",
            group="legal",
            fields={"text": "text", "title": "《{law}》{article}", "meta": {"law": "law"}},
            validity={"status": {"column": "status", "in_force": ["现行有效"]}, "effective": "effective"},
            split={"unit": "law", "heldout": {"share": 0.1}},
        ),
        source("general", SHARED / "general.jsonl", where={"lang": ["zh"]}, fields={"text": "text"}),
        decontamination={"evaluations": [{"name": "exam", "about": "Real.", "files": [exam]}]},
    )
    alone = outcome(tmp_path, config, 1)
    assert alone["code"] == 0, alone
    assert outcome(tmp_path, config, 3) == alone


def broken_at_the_end(folder: Path) -> dict[str, Any]:
    path = write(folder / "n.jsonl", texts(1, 1200))
    path.write_bytes(path.read_bytes() + b"nonsense\n" * 90)
    return corpus(source("news", path), source("absent", folder / "cut.gz", format="jsonl.gz"))


def cut_off(folder: Path) -> dict[str, Any]:
    plain = write(folder / "n.jsonl", texts(1, 1200))
    packed = folder / "n.jsonl.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes())[:-9])
    return corpus(source("news", packed, format="jsonl.gz"))


def without_the_column(folder: Path) -> dict[str, Any]:
    path = folder / "laws.db"
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE a (n, text)")
    database.close()
    news = source("news", write(folder / "n.jsonl", texts(1, 1200)))
    return corpus(news, source("laws", path, format="sqlite", query="SELECT absent FROM a"))


def group_without_documents(folder: Path) -> dict[str, Any]:
    rules = {"status": {"column": "status", "in_force": ["现行有效"]}}
    laws = write(folder / "laws.jsonl", texts(2, 600), status="已废止")
    news = source("news", write(folder / "n.jsonl", texts(1, 600)))
    return corpus(news, source("laws", laws, group="legal", validity=rules))


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (broken_at_the_end, "source news: 90 of 1290 rows cannot be read"),
        (cut_off, "n.jsonl.gz:"),
        (without_the_column, "no such column: absent"),
        (group_without_documents, "group legal has no documents in split train"),
    ],
)
def test_a_refusal_is_that_of_one_process(tmp_path: Path, make: Any, told: str) -> None:
    (tmp_path / "cut.gz").write_bytes(gzip.compress(b"{}\n" * 2000)[:20])
    config = make(tmp_path)
    alone = outcome(tmp_path, config, 1)
    assert (alone["code"], alone["result"]["reason"]) == (65, "data_error")
    assert told in alone["result"]["message"]
    assert outcome(tmp_path, config, 2) == alone


def test_what_nobody_foresaw_comes_with_the_traceback_of_its_process(tmp_path: Path) -> None:
    news = source("news", write(tmp_path / "n.jsonl", texts(1, 600)))
    config = corpus(news | {"fields": {"text": "{text.absent}"}})
    alone = outcome(tmp_path, config, 1)
    assert (alone["code"], alone["result"]["reason"]) == (70, "crashed")
    assert "AttributeError: 'str' object has no attribute 'absent'" in alone["result"]["message"]
    assert outcome(tmp_path, config, 2) == alone
    said = stderr_of(job_of(tmp_path / "2", config, 2))
    assert "stages/corpus/document.py" in said
    assert "in to_document" in said
