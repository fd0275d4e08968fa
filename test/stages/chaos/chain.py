"""Attempts of one stage, one after the other, each killed and followed by the next, as serve would order them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

from chaos.kills import Kill
from chaos.trainings import MakeJob
from support.jobs import read_events, start, stderr_of

from stages._worker.artifacts import file_sha256
from stages._worker.training.pruning import stale_steps

HOOKS = Path(__file__).resolve().parent / "hooks"
PATIENCE_SECONDS = 900
"""For a machine that is busy with something else."""


class Chain:
    """All it knows of the attempts is what their event files say."""

    def __init__(self, make_job: MakeJob, root: Path) -> None:
        self._make_job = make_job
        self._root = root
        self.jobs: list[dict[str, Any]] = []

    def attempt(self, kill: Kill | None) -> bool:
        """One attempt from the newest committed checkpoint; True when it ended well before its kill."""
        epoch = len(self.jobs) + 1
        committed = self.committed()
        resume = {**committed[0], "older": committed[1:]} if committed else None
        job = self._make_job(self._root / f"e{epoch}", epoch=epoch, resume=resume)
        self.jobs.append(job)
        folder = Path(job["folder"])
        variables = {} if kill is None else kill.variable(folder)
        process = _started(job, variables)
        ended = _kill_when(process, kill, folder / "events.jsonl")
        self._check_start(job, resume)
        if ended == -signal.SIGKILL:
            return False
        assert ended == 0, stderr_of(job)
        return True

    def committed(self) -> list[dict[str, Any]]:
        """Checkpoints as the records know them: announced, not pruned; of each step the latest, newest step first."""
        points: dict[int, dict[str, Any]] = {}
        for job in self.jobs:
            told = [event for event in read_events(Path(job["folder"])) if event["type"] == "checkpoint"]
            rule = job["checkpoint"]
            gone = stale_steps([event["step"] for event in told], keep=rule["keep"], keep_every=None)
            for event in told:
                if event["step"] not in gone:
                    uri = Path(event["path"]).as_uri()
                    points[event["step"]] = {"uri": uri, "step": event["step"], "sha256": event["sha256"]}
        return [points[step] for step in sorted(points, reverse=True)]

    def outcome(self) -> dict[str, Any]:
        """All that has to be equal: the model, the last checkpoint with its optimizer and position, the result."""
        job = self.jobs[-1]
        result = read_events(Path(job["folder"]))[-1]
        last = Path(self.committed()[0]["uri"].removeprefix("file://"))
        state = json.loads((last / "state.json").read_text(encoding="utf-8"))
        return {
            "model": file_sha256(Path(job["output"]) / "model" / "model.safetensors"),
            "weights": file_sha256(last / "model.safetensors"),
            "optimizer": file_sha256(last / "optimizer.safetensors"),
            "state": state,
            "metrics": result["metrics"],
            "summary": result["summary"],
        }

    def _check_start(self, job: dict[str, Any], resume: dict[str, Any] | None) -> None:
        """It went on exactly where the newest checkpoint ended, without passing one over."""
        events = read_events(Path(job["folder"]))
        codes = [event.get("code") for event in events if event["type"] == "warning"]
        assert not {"checkpoint_damaged", "checkpoint_fallback", "checkpoint_missing"} & set(codes), codes
        first = next((event for event in events if event["type"] == "progress"), None)
        begin = 0 if resume is None else resume["step"]
        if first is not None:
            assert begin <= first["step"] <= begin + 1, (first, resume)
        for path in Path(job["folder"]).glob("step-*"):
            assert (path / "manifest.json").is_file(), f"{path} is torn"


def _started(job: dict[str, Any], variables: dict[str, str]) -> subprocess.Popen[bytes]:
    if not variables:
        return start(job)
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        return start(job, python_path=[HOOKS])
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]


def _kill_when(process: subprocess.Popen[bytes], kill: Kill | None, events: Path) -> int:
    deadline = time.monotonic() + PATIENCE_SECONDS
    due = None if kill is None or not kill.is_due([]) else time.monotonic() + kill.after
    watch = _Tail(events)
    while process.poll() is None:
        now = time.monotonic()
        if due is None and kill is not None and kill.place is None and kill.is_due(watch.read()):
            due = now + kill.after
        if now >= min(deadline, due or deadline):
            process.kill()
            if now >= deadline:
                raise AssertionError(f"not over after {PATIENCE_SECONDS} s")
        time.sleep(0.01 if due is None else 0.002)
    return process.wait()


class _Tail:
    """New whole lines of an event file. Cheap, since it is asked a hundred times a second."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0

    def read(self) -> list[dict[str, Any]]:
        if not self._path.is_file() or self._path.stat().st_size == self._offset:
            return []
        with self._path.open("rb") as file:
            file.seek(self._offset)
            data = file.read()
        whole = data[: data.rfind(b"\n") + 1]
        self._offset += len(whole)
        return [json.loads(line) for line in whole.splitlines()]
