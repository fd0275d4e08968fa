"""Stand-in for a training worker: speaks the whole protocol, trains nothing.

It starts in 20 ms, takes steps over rows, and its state is a hash chain over (inputs, seed, rows consumed), so that a
step lost or taken twice shows in every checkpoint after it and in the output. `with` says how it misbehaves.
Runs without any library: `python -I -S worker.py <job.json>`.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

ROWS_A_STEP = 4
MANIFEST = "manifest.json"


class Ends(Exception):
    """The attempt ends here, with this status, reason and exit code."""

    def __init__(self, status: str, reason: str, code: int, message: str = "") -> None:
        super().__init__(message)
        self.status, self.reason, self.code = status, reason, code


class Worker:
    """One attempt."""

    def __init__(self, job: dict[str, Any]) -> None:
        self.job = job
        self.options = job["with"]
        self.folder = Path(job["folder"])
        self.stopping = threading.Event()
        self.hours = 0.0
        # Names this process in all it says: what an attempt committed must come from one.
        self.process = secrets.randbelow(2**20) + 1
        self._events = os.open(job["events"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        self._lock = threading.Lock()

    def say(self, type_: str, **fields: Any) -> None:
        """One whole line in one write. Its time is this worker's clock, which may be hours off."""
        at = datetime.now(timezone.utc) + timedelta(hours=self.hours)
        line = json.dumps({"type": type_, "at": at.isoformat().replace("+00:00", "Z"), **fields}) + "\n"
        data = line.encode()
        with self._lock:
            written = os.write(self._events, data)
        if written != len(data):
            raise OSError(errno.ENOSPC, "half a line")

    def beat(self) -> None:
        """Signs of life, from a thread of its own; a full disk silences them and ends nothing."""
        while True:
            time.sleep(self.job["heartbeatSeconds"])
            with suppress(OSError):
                self.say("heartbeat")

    def run(self) -> None:
        """From the first line to the result."""
        job, options = self.job, self.options
        self.say("started", attempt=job["attempt"], epoch=job["epoch"], pid=os.getpid(), program="stand-in")
        threading.Thread(target=self.beat, daemon=True).start()
        if options.get("helper"):
            subprocess.Popen(["sleep", "300"])
        self.say("phase", phase="loading")
        state = self.begin()
        self.say("phase", phase="training")
        mishap = next((one for one in options["mishaps"] if one["epoch"] == job["epoch"]), None)
        if not job["stageId"].endswith("-g1"):
            mishap = None  # who resumes a stage has mended what was wrong
        for step in range(state["step"] + 1, options["steps"] + 1):
            if self.stopping.wait(options["stepMs"] / 1000):
                if state["step"] > state["from"]:
                    self.save(state)
                raise Ends("stopped", "stopped", 75, f"stopped after step {state['step']}")
            for jump in options["clock"]:
                if jump["at"] == step:
                    self.hours = jump["hours"]
            if mishap is not None and step >= mishap["at"]:
                self.misbehave(mishap["how"])
            self.train(state, step)
            self.say("metric", name="loss", step=step, value=self.process + 1 / (1 + step))
            self.say("progress", step=step, of=options["steps"], unit="step")
            if step % job["checkpoint"]["every"] == 0:
                self.save(state)
        self.say("phase", phase="saving")
        for kind in options["outputs"]:
            self.commit(kind, state)
        self.say(
            "result",
            status="succeeded",
            reason="completed",
            metrics={"loss": int(state["digest"][:4], 16) / 65536, "weight": 1},
            summary={"steps": state["step"]},
        )

    def train(self, state: dict[str, Any], step: int) -> None:
        """Consumes the rows of one step."""
        first = (step - 1) * ROWS_A_STEP
        rows = b"".join(row.to_bytes(4, "little") for row in range(first, first + ROWS_A_STEP))
        state["digest"] = hashlib.sha256(bytes.fromhex(state["digest"]) + rows).hexdigest()
        state["step"] = step
        state["lineage"][-1]["to"] = step

    def begin(self) -> dict[str, Any]:
        """The state to go on from: that of the newest sound checkpoint, or the beginning."""
        job = self.job
        for item in job["inputs"]:
            verify(folder_of(item["uri"]))
        state = self.resumed()
        if state is None:
            shas = ",".join(item["sha256"] for item in job["inputs"])
            text = f"{job['seed']}/{job['stage']}/{job['shard']}/{shas}"
            state = {"step": 0, "digest": hashlib.sha256(text.encode()).hexdigest(), "lineage": []}
        state["from"] = state["step"]
        leg = {"attempt": job["attempt"], "process": self.process}
        state["lineage"].append({**leg, "from": state["step"], "to": state["step"]})
        return state

    def resumed(self) -> dict[str, Any] | None:
        resume = self.job["resume"]
        if resume is None:
            return None
        for folder, sha256 in candidates(resume):
            if not folder.is_dir():
                self.say("warning", code="checkpoint_missing", message=f"there is no folder {folder} here")
                continue
            try:
                verify(folder)
                if sha256 is not None and file_sha256(folder / MANIFEST) != sha256:
                    raise ValueError("another manifest")
                return json.loads((folder / "state.json").read_text())
            except (OSError, ValueError, KeyError) as error:
                which = {} if sha256 is None else {"checkpoint": sha256}
                self.say("warning", code="checkpoint_damaged", message=f"{folder.name}: {error}", **which)
        raise Ends("failed", "data_error", 65, "no sound checkpoint")

    def save(self, state: dict[str, Any]) -> None:
        """step-<n>: files, manifest, rename, line; then the oldest go."""
        step = state["step"]
        temporary, final = self.folder / f".step-{step}.tmp", self.folder / f"step-{step}"
        if final.exists():
            return
        temporary.mkdir()
        try:
            (temporary / "state.json").write_text(json.dumps(state))
            (temporary / "pad").write_bytes(b"\0" * 1024 * self.options["padKb"])
            size = write_manifest(temporary)
            temporary.rename(final)
        except OSError:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
        cursor = {"row": step * ROWS_A_STEP, "ledger": state["digest"], "lineage": state["lineage"]}
        self.say(
            "checkpoint",
            path=str(final),
            step=step,
            sha256=file_sha256(final / MANIFEST),
            bytes=size,
            cursor=cursor,
        )
        remove_stale(self.folder, self.job["checkpoint"]["keep"])

    def commit(self, kind: str, state: dict[str, Any]) -> None:
        """An output whose bytes depend on the rows consumed and on nothing else."""
        folder = Path(self.job["output"]) / kind
        folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps({"kind": kind, "digest": state["digest"], "step": state["step"]})
        (folder / "result.json").write_text(text)
        size = write_manifest(folder)
        sha256 = json.loads((folder / MANIFEST).read_text())["sha256"]
        meta = {"lineage": state["lineage"]}
        self.say("artifact", kind=kind, path=str(folder), sha256=sha256, bytes=size, meta=meta)

    def misbehave(self, how: str) -> None:
        """Ends, or does not end, as a real worker might."""
        if how == "nan":
            raise Ends("failed", "nan_loss", 76, "the loss is not a number")
        if how == "memory":
            raise Ends("failed", "out_of_memory", 77)
        if how == "endpoint":
            raise Ends("failed", "endpoint_unavailable", 69)
        if how == "crash":
            os._exit(70)
        if how == "signal":
            os.kill(os.getpid(), signal.SIGSEGV)
        if how == "silent":
            os._exit(0)
        if how == "hang":
            while not self.stopping.wait(0.05):
                pass


def candidates(resume: dict[str, Any]) -> list[tuple[Path, str | None]]:
    """The checkpoint that was asked for, then older ones: those the job names, or those beside it."""
    first = folder_of(resume["uri"])
    if resume.get("older") is not None:
        rest = [(folder_of(one["uri"]), one.get("sha256")) for one in resume["older"]]
    else:
        rest = [(path, None) for path in steps_in(first.parent) if int(path.name[5:]) < resume["step"]]
    return [(first, resume["sha256"]), *rest]


def steps_in(root: Path) -> list[Path]:
    return sorted(root.glob("step-*"), key=lambda path: -int(path.name[5:])) if root.is_dir() else []


def remove_stale(root: Path, keep: int) -> None:
    """What the agent has claimed counts among those that are kept; the newest always stays."""
    own = [path for path in steps_in(root) if not (root / "claims" / path.name).is_symlink()]
    for old in own[max(1, keep - (len(steps_in(root)) - len(own))) :]:
        remove_unclaimed(old)


def remove_unclaimed(folder: Path) -> None:
    """What the agent has claimed the records may name."""
    claims = folder.parent / "claims"
    claims.mkdir(exist_ok=True)
    claim = claims / folder.name
    try:
        claim.symlink_to("worker")
    except FileExistsError:
        return
    if folder.exists():  # the agent gives up its claim on one that it has removed
        shutil.rmtree(folder)
    claim.unlink()


def folder_of(uri: str) -> Path:
    return Path(unquote(urlparse(uri).path))


def file_sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def write_manifest(folder: Path) -> int:
    """The last file of a folder; returns the bytes of the others."""
    files = [
        {"path": path.name, "size": path.stat().st_size, "sha256": file_sha256(path)}
        for path in sorted(folder.iterdir())
        if path.name != MANIFEST
    ]
    lines = "".join(f"{item['path']} {item['size']} {item['sha256']}\n" for item in files)
    size = sum(item["size"] for item in files)
    manifest = {"version": 1, "sha256": hashlib.sha256(lines.encode()).hexdigest(), "bytes": size}
    (folder / MANIFEST).write_text(json.dumps({**manifest, "files": files}))
    return size


def verify(folder: Path) -> None:
    """Sizes and hashes are what the manifest says. Raises ValueError or OSError."""
    for item in json.loads((folder / MANIFEST).read_text())["files"]:
        if file_sha256(folder / item["path"]) != item["sha256"]:
            raise ValueError(f"{item['path']} is damaged")


def main() -> None:
    worker = Worker(json.loads(Path(sys.argv[1]).read_text()))
    deaf = bool(worker.options.get("deaf"))
    signal.signal(signal.SIGTERM, signal.SIG_IGN if deaf else lambda *_: worker.stopping.set())
    ends: Ends | None = None
    try:
        worker.run()
    except Ends as error:
        ends = error
    except OSError as error:
        full = error.errno == errno.ENOSPC
        ends = (
            Ends("failed", "disk_full", 74, str(error))
            if full
            else Ends("failed", "data_error", 65, str(error))
        )
    except ValueError as error:
        ends = Ends("failed", "data_error", 65, str(error))
    if ends is None:
        return
    with suppress(OSError):
        worker.say("result", status=ends.status, reason=ends.reason, message=str(ends))
    sys.stdout.flush()
    os._exit(ends.code)


main()
