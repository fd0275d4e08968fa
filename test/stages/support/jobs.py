"""Jobs for tests, and stages run as the processes they are."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from stages._worker.artifacts import file_sha256
from stages._worker.events import EventFile
from stages._worker.job import parse_job, protocol_validator
from stages._worker.worker import Worker

CHECKOUT = Path(__file__).resolve().parents[3]


def assert_says_what(job: dict[str, Any]) -> None:
    """Every phase of a job that has run says what is done; steps tell it of training that goes on after a save."""
    phases = [event for event in read_events(Path(job["folder"])) if event["type"] == "phase"]
    silent = [event for event in phases if event["phase"] != "training" and not event.get("detail")]
    assert phases and not silent, silent


def make_job(
    kind: str, folder: Path, *, inputs: dict[str, Path] | None = None, **fields: Any
) -> dict[str, Any]:
    """The object of a job file; `inputs` are folders by kind. Fields of the job replace the defaults."""
    return {
        "protocol": 1,
        "run": "rtest",
        "stage": kind,
        "stageId": f"rtest-{kind}-g1",
        "kind": kind,
        "shard": 0,
        "shards": 1,
        "attempt": f"rtest-{kind}-g1-s0-e1",
        "epoch": 1,
        "inputs": [
            {"kind": name, "stage": name, "uri": path.as_uri()} for name, path in (inputs or {}).items()
        ],
        "with": {},
        "seed": 7,
        "folder": str(folder),
        "output": str(folder / "output"),
        "events": str(folder / "events.jsonl"),
        "heartbeatSeconds": 0.5,
    } | fields


def make_worker(kind: str, folder: Path, **fields: Any) -> Worker:
    """A worker inside this process; `read_events(folder)` shows what it said."""
    job = make_job(kind, folder, **fields)
    folder.mkdir(parents=True, exist_ok=True)
    return Worker(parse_job(job), EventFile(Path(job["events"])), threading.Event())


def start(
    job: dict[str, Any], program: list[str] | None = None, *, python_path: Sequence[Path] = ()
) -> subprocess.Popen[bytes]:
    """Starts the stage of a job; standard output and error go to files of its folder."""
    folder = Path(job["folder"])
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "job.json").write_text(json.dumps(job), encoding="utf-8")
    program = program or ["-m", f"stages.{job['kind'].replace('-', '_')}.run"]
    command = [sys.executable, *program, "--job", str(folder / "job.json")]
    with (folder / "stdout.log").open("wb") as out, (folder / "stderr.log").open("wb") as err:
        path = os.pathsep.join(map(str, [*python_path, CHECKOUT]))
        return subprocess.Popen(
            command, cwd=CHECKOUT, stdout=out, stderr=err, env={**os.environ, "PYTHONPATH": path}
        )


def run_stage(job: dict[str, Any], program: list[str] | None = None) -> int:
    """Runs the stage of a job to its end; its exit code."""
    return start(job, program).wait(timeout=300)


def signal_when(
    job: dict[str, Any],
    number: signal.Signals,
    condition: Callable[[list[dict[str, Any]]], bool],
    program: list[str] | None = None,
) -> int:
    """Starts a stage, sends it a signal once `condition(events)` holds, and returns its exit code."""
    process = start(job, program)
    deadline = time.monotonic() + 240
    while process.poll() is None and time.monotonic() < deadline:
        if condition(read_events(Path(job["folder"]))):
            process.send_signal(number)
            return process.wait(timeout=60)
        time.sleep(0.02)
    process.kill()
    raise AssertionError(f"the stage ended before the signal was due: {stderr_of(job)}")


def read_events(folder: Path) -> list[dict[str, Any]]:
    """Whole lines of the event file, each checked against the protocol."""
    path = folder / "events.jsonl"
    if not path.is_file():
        return []
    text = path.read_text(encoding="utf-8")
    events = [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]
    validator = protocol_validator("Event")
    for event in events:
        validator.validate(event)
    return events


def result_of(job: dict[str, Any]) -> dict[str, Any]:
    """The last event, which has to be the result."""
    last = read_events(Path(job["folder"]))[-1]
    assert last["type"] == "result", last
    return last


def last_checkpoint(job: dict[str, Any]) -> dict[str, Any]:
    """The `resume` of a job that goes on from the last announced checkpoint of this one."""
    event = [e for e in read_events(Path(job["folder"])) if e["type"] == "checkpoint"][-1]
    path = Path(event["path"])
    assert file_sha256(path / "manifest.json") == event["sha256"]
    return {"uri": path.as_uri(), "step": event["step"], "sha256": event["sha256"]}


def stderr_of(job: dict[str, Any]) -> str:
    """What the stage wrote to standard error."""
    return (Path(job["folder"]) / "stderr.log").read_text(encoding="utf-8", errors="replace")
