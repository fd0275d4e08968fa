"""`processes: N` of the corpus stage: the same bytes and refusals as in one process, and no process left behind."""

from __future__ import annotations

import gzip
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from support.jobs import make_job, result_of, run_stage, start, stderr_of
from support.processes import children_of, cpu_ticks, has_ended, sleeps, wait_until

from stages._worker import jsonl
from stages._worker.locate import SourceFile
from stages._worker.locations import CHECKOUT
from stages.corpus.config import complete_corpus
from stages.corpus.reading.batches import START, place_after, read_batches

SHARED = CHECKOUT.parent / "shared" / "data"
HAN = "水土林田路桥港船渔牧种苗药品疫苗房屋租赁合同税费预算审计统计测绘气象邮政法院检察公安司法民事刑事行政"
QUESTION = "下列关于合同效力的说法，正确的是：\n" + "".join(random.Random(5).choices(HAN, k=90))
linux_only = pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")


def texts(seed: int, count: int) -> list[str]:
    """Documents of 60 to 300 characters, one in nine a copy or a near copy of one far before it, some to be refused."""
    chance = random.Random(seed)
    made: list[str] = []
    for number in range(count):
        text = "".join(chance.choices(HAN, k=chance.randint(60, 300))) + "。"
        if number > 100 and number % 9 == 0:
            text = chance.choice(made)
            text = text if number % 2 else f"{text[:30]}新{text[31:]}"
        elif number % 50 == 7:
            text = chance.choice(
                ["短。", "No Chinese at all. " * 9, "重复的一句话在这里。" * 20, f"题：{QUESTION}"]
            )
        made.append(text)
    return made


def source(name: str, path: Path | list[Path], **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "group": "general",
        "license": "made up",
        "format": "jsonl",
        "path": [str(each) for each in path] if isinstance(path, list) else str(path),
        "fields": {"id": "n", "text": "text"},
        "split": {"heldout": {"share": 0.1}, "base": 0.3},
        **more,
    }


def corpus(*sources: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "name": "test",
        "version": 1,
        "about": "A corpus for a test.",
        "as_of": "2026-10-01",
        "cleaning": {"min_characters": 10},
        "duplicates": {"permutations": 64},
        "sources": list(sources),
        **more,
    }


def write(path: Path, documents: list[str], **more: Any) -> Path:
    jsonl.write(path, ({"n": number, "text": text, **more} for number, text in enumerate(documents)))
    return path


def job_of(folder: Path, config: dict[str, Any], processes: int) -> dict[str, Any]:
    return make_job("corpus", folder, **{"with": {"corpus": config, "processes": processes}})


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


def test_batches_hold_every_row_once_and_say_where_they_lie(tmp_path: Path) -> None:
    long = ["法" * 400_000] * 7
    paths = [write(tmp_path / f"{name}.jsonl", each) for name, each in (("a", texts(1, 1100)), ("b", long))]
    (tmp_path / "c.jsonl").write_text("", encoding="utf-8")
    paths.append(tmp_path / "c.jsonl")
    sources = complete_corpus(corpus(*(source(path.stem, path) for path in paths)))["sources"]
    files = [[SourceFile(path=path, name=path.name)] for path in paths]
    batches = list(read_batches(sources, files))
    assert [len(batch.rows) for batch in batches] == [512, 512, 76, 3, 3, 1, 0]
    assert [batch.last for batch in batches] == [False, False, True, False, False, True, True]
    place = START
    for batch in batches:
        assert batch.place == place
        assert [row.line for row in batch.rows] == [place[1] + n for n in range(1, len(batch.rows) + 1)]
        place = place_after(place, len(batch.rows), last=batch.last)
    assert place == (3, 0)


@pytest.fixture(scope="module")
def long_work(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A corpus that takes far longer than a test waits: one file, read again and again."""
    path = write(tmp_path_factory.mktemp("long") / "n.jsonl", texts(4, 4000))
    return corpus(source("news", [path] * 200))


@contextmanager
def at_work(job: dict[str, Any]) -> Iterator[tuple[subprocess.Popen[bytes], list[int]]]:
    """The stage with its two processes, once it writes documents; killed at the end where it still runs."""
    stage = start(job)
    try:
        written = Path(job["output"]) / "corpus" / "documents"
        wait_until(lambda: any(written.glob("*/*.jsonl")) or stage.poll() is not None, seconds=60)
        helpers = children_of(stage.pid)
        assert len(helpers) == 2, stderr_of(job)
        yield stage, helpers
        wait_until(lambda: all(map(has_ended, helpers)))
    finally:
        stage.kill()
        stage.wait()


@linux_only
@pytest.mark.parametrize("which", [0, 1])
def test_a_process_that_is_killed_ends_the_stage_for_a_reason_that_is_tried_again(
    tmp_path: Path, long_work: dict[str, Any], which: int
) -> None:
    job = job_of(tmp_path, long_work, 2)
    with at_work(job) as (stage, helpers):
        os.kill(helpers[which], signal.SIGKILL)
        assert stage.wait(timeout=30) == 71
    result = result_of(job)
    assert (result["status"], result["reason"]) == ("failed", "killed")
    assert f"process {helpers[which]}, which prepared documents, was ended by SIGKILL" in result["message"]
    assert "fewer `processes`" in result["hint"]
    assert not (tmp_path / "output" / "corpus" / "manifest.json").exists()


@linux_only
def test_a_stage_that_is_killed_leaves_no_process(tmp_path: Path, long_work: dict[str, Any]) -> None:
    with at_work(job_of(tmp_path, long_work, 2)) as (stage, _):
        stage.kill()
        assert stage.wait(timeout=30) == -signal.SIGKILL


@linux_only
@pytest.mark.parametrize("everybody", [False, True], ids=["the stage", "its processes first"])
def test_sigterm_stops_all(tmp_path: Path, long_work: dict[str, Any], everybody: bool) -> None:
    job = job_of(tmp_path, long_work, 2)
    with at_work(job) as (stage, helpers):
        for pid in helpers if everybody else []:
            os.kill(pid, signal.SIGTERM)
        time.sleep(0.5)
        assert not any(map(has_ended, [stage.pid, *helpers]))
        stage.terminate()
        assert stage.wait(timeout=30) == 75
    assert (result_of(job)["status"], result_of(job)["reason"]) == ("stopped", "stopped")


@linux_only
def test_processes_wait_for_a_stage_that_takes_nothing(tmp_path: Path, long_work: dict[str, Any]) -> None:
    with at_work(job_of(tmp_path, long_work, 2)) as (stage, helpers):
        stage.send_signal(signal.SIGSTOP)
        for helper in helpers:
            wait_until(lambda helper=helper: rests(helper), seconds=60)
        # The batches that wait and the one at work are all that either holds.
        used = [cpu_ticks(helper) for helper in helpers]
        stage.send_signal(signal.SIGCONT)
        wait_until(
            lambda: all(cpu_ticks(helper) > before for helper, before in zip(helpers, used, strict=True))
        )
        stage.kill()


def rests(pid: int) -> bool:
    """Whether it used nothing for a second, and not for want of a processor."""
    before = cpu_ticks(pid)
    for _ in range(50):
        if not sleeps(pid):
            return False
        time.sleep(0.02)
    return cpu_ticks(pid) == before


@linux_only
@pytest.mark.parametrize("another", [False, True], ids=["alone", "with one after it"])
def test_a_file_that_grows_between_two_readers_is_refused(tmp_path: Path, another: bool) -> None:
    documents = texts(1, 1700)
    # The second process has to stand still before it reads; where it was faster, everybody saw the same.
    for attempt in range(5):
        folder = tmp_path / str(attempt)
        path = write(folder / "n.jsonl", documents[:700])
        sources = [source("news", path)]
        if another:
            sources.append(source("more", write(folder / "m.jsonl", texts(2, 20))))
        job = job_of(folder, corpus(*sources), 2)
        stage = start(job)
        wait_until(lambda stage=stage: len(children_of(stage.pid)) == 2)
        first, second = children_of(stage.pid)
        os.kill(second, signal.SIGSTOP)
        wait_until(lambda first=first: has_ended(first))
        write(path, documents)
        os.kill(second, signal.SIGCONT)
        if stage.wait(timeout=60) != 0:
            break
    assert result_of(job)["reason"] == "data_error"
    assert (
        "source news: two processes that read it saw different rows (after row 1024)"
        in result_of(job)["message"]
    )
