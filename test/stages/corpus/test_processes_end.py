"""Processes of the corpus stage that are killed, stopped, made to wait, or see other rows than the rest."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from support.jobs import result_of, start, stderr_of
from support.made_up_corpus import corpus, job_of, source, texts, write
from support.processes import children_of, cpu_ticks, has_ended, sleeps, wait_until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")


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


def test_a_stage_that_is_killed_leaves_no_process(tmp_path: Path, long_work: dict[str, Any]) -> None:
    with at_work(job_of(tmp_path, long_work, 2)) as (stage, _):
        stage.kill()
        assert stage.wait(timeout=30) == -signal.SIGKILL


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
