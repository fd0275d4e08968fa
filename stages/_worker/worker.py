"""What a stage says to the outside while it works."""

from __future__ import annotations

import contextlib
import math
import resource
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from stages._worker.artifacts import write_manifest
from stages._worker.events import EventFile
from stages._worker.failures import NumericError, Stopped
from stages._worker.job import Job

LARGEST_METRIC = 1e100
PHASES = ("loading", "compiling", "training", "saving")
SAID_EVERY = 15.0
"""Seconds between two words on work within a phase: each stays in the log."""


class Worker:
    """Reports of one attempt: every method appends one event of the protocol."""

    def __init__(self, job: Job, events: EventFile, stop: threading.Event) -> None:
        self.job = job
        self.finished = False
        self.unsaved = False
        """The stage holds work that it saves itself when `stopping`; without it SIGTERM may end it anywhere."""
        self.current_phase: str | None = None
        self.answered: dict[str, dict[str, Any]] = {}
        """Who answered the stage's questions, by role; the summary of the result tells it."""
        self._events = events
        self._step: int | None = None
        self._stop = stop
        self._ended = threading.Event()
        self._heart = threading.Thread(target=self._beat, name="heartbeat", daemon=True)
        self._heart.start()

    @property
    def stopping(self) -> bool:
        """True after SIGTERM: save what is worth it and raise Stopped, within the grace time."""
        return self._stop.is_set()

    @property
    def may_be_left(self) -> bool:
        """Whether ending the process now loses nothing: it loads, compiles or measures, and holds no work."""
        return not self.unsaved and not self.finished and self.current_phase in (None, "loading", "compiling")

    def raise_if_stopping(self) -> None:
        """For loops that have nothing to save."""
        if self.stopping:
            raise Stopped("stopped by SIGTERM")

    def wait(self, seconds: float) -> bool:
        """Sleeps, but wakes on SIGTERM; True when the worker has to stop."""
        return self._stop.wait(seconds)

    def phase(self, phase: str, detail: str | None = None) -> None:
        """Enters `loading`, `compiling`, `training` or `saving`; `detail` says what is done, with what amounts."""
        if phase not in PHASES:
            raise ValueError(f"phase '{phase}' is none of {PHASES}")
        self.current_phase = phase
        self._events.write("phase", phase=phase, **({} if detail is None else {"detail": detail}))

    def counting(self, what: str, unit: str) -> Callable[[int, int], None]:
        """Says `what` is done in the current phase, at once and then now and then how far it is and what is left.

        For work that makes no steps of the stage, such as measuring: takes (done, of).
        """
        phase = self.current_phase or "loading"
        self.phase(phase, what)
        began = said = time.monotonic()

        def tell(done: int, of: int) -> None:
            nonlocal said
            now = time.monotonic()
            if done <= 0 or done >= of or now - said < SAID_EVERY:
                return
            said = now
            left = _in_words((of - done) * (now - began) / done)
            self.phase(phase, f"{what}: {done:,} of {of:,} {unit}, about {left} left")

        return tell

    def progress(self, step: int, of: int, unit: str) -> None:
        """`step` of `of` units (steps, documents, prompts) are done."""
        self._step = int(step)
        self._events.write("progress", step=int(step), of=int(of), unit=unit)

    def metric(self, name: str, step: int, value: float) -> None:
        """One point of a curve. A value that is no finite number, or beyond all measure, is a NumericError."""
        value = float(value)
        if not abs(value) <= LARGEST_METRIC:
            raise NumericError(f"{name} is {value} at step {step}")
        self._events.write("metric", name=name, step=int(step), value=value)

    def warning(self, message: str, *, code: str | None = None, checkpoint: str | None = None) -> None:
        """Something the reader of the report should know, that does not end the attempt.

        `checkpoint` is the SHA-256 of the manifest of the one it speaks of.
        """
        named = {"code": code, "checkpoint": checkpoint}
        self._events.write(
            "warning", message=message, **{key: value for key, value in named.items() if value is not None}
        )

    def checkpoint(self, path: Path, *, step: int, sha256: str, size: int, cursor: dict[str, Any]) -> None:
        """A checkpoint stands complete on disk; `sha256` is the hash of its manifest."""
        self._events.write(
            "checkpoint", durable=True, path=str(path), step=step, sha256=sha256, bytes=size, cursor=cursor
        )

    def stage_output(self, kind: str) -> Path:
        """The folder to write the output of a kind in; `commit` closes it."""
        folder = self.job.output / kind
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def commit(self, kind: str, *, meta: dict[str, Any] | None = None) -> str:
        """Makes the staged folder an artifact and tells the agent; returns its content hash."""
        folder = self.job.output / kind
        content = write_manifest(
            folder,
            kind=kind,
            producer={
                "run": self.job.run,
                "stage": self.job.stage,
                "stageId": self.job.stage_id,
                "kind": self.job.kind,
                "attempt": self.job.attempt,
                "epoch": self.job.epoch,
                "shard": self.job.shard,
            },
            parents=[item.sha256 for item in self.job.inputs if item.sha256 is not None],
            meta=meta or {},
        )
        self._events.write(
            "artifact",
            durable=True,
            kind=kind,
            path=str(folder),
            sha256=content.sha256,
            bytes=content.bytes,
            meta=meta or {},
        )
        return content.sha256

    def finish(
        self, *, metrics: dict[str, float | None] | None = None, summary: dict[str, Any] | None = None
    ) -> None:
        """Ends the attempt well. `metrics` are what gates judge; one that is not finite becomes null."""
        self.finished = True
        self.close()  # the result is the last event
        answered = {"answered": self.answered} if self.answered else {}
        numbers = {name: _finite(value) for name, value in (metrics or {}).items()}
        self._events.write(
            "result",
            last=True,
            status="succeeded",
            reason="completed",
            metrics=numbers,
            summary={**(summary or {}), **answered},
        )

    def close(self) -> None:
        """Ends the heartbeat; the event file stays open for the result."""
        self._ended.set()
        self._heart.join()

    def _beat(self) -> None:
        while not self._ended.wait(self.job.heartbeat_seconds):
            step = {} if self._step is None else {"step": self._step}
            # A disk that is full now may have room at the next beat; the stage itself meets it where it writes.
            with contextlib.suppress(OSError):
                self._events.write("heartbeat", rssBytes=peak_memory(), **step)


def peak_memory() -> int:
    """Largest resident size of this process so far, in bytes (Linux counts KiB, macOS bytes)."""
    size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return size if sys.platform == "darwin" else size * 1024


def _in_words(seconds: float) -> str:
    whole = max(1, round(seconds))
    if whole < 100:
        return f"{whole} s"
    return f"{round(whole / 60)} min" if whole < 6000 else f"{round(whole / 3600)} h"


def _finite(value: float | None) -> float | None:
    if value is None or not math.isfinite(value):
        return None
    return float(value)
