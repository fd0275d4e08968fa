"""The training loop that base, midtrain and sft share.

Everything a step does is a function of its number, so a run that is killed anywhere and goes on from a
checkpoint ends with the same bits (same machine type, versions and threads).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from mindspore import nn

from stages._worker.failures import Stopped
from stages._worker.job import Job, ResumePoint
from stages._worker.training.checkpoint import save_checkpoint
from stages._worker.training.going_on import prove, restore, tensors_of
from stages._worker.training.ledger import Ledger
from stages._worker.training.parted.parted_step import PartedStep
from stages._worker.training.parted.parts import parts_of
from stages._worker.training.parted.spike_guard import SpikeGuard
from stages._worker.training.resume import load_checkpoint
from stages._worker.training.schedule import Schedule
from stages._worker.training.train_step import StepResult, TrainStep
from stages._worker.worker import Worker


@dataclass(kw_only=True, slots=True)
class Trainer:
    """Runs `schedule.steps` updates, from the job's checkpoint when it names one."""

    worker: Worker
    network: nn.Cell
    step: TrainStep | PartedStep
    schedule: Schedule
    rows: Callable[[int], np.ndarray]
    """Row ids a step consumes, for the ledger."""
    batch: Callable[[int, slice], tuple[np.ndarray, ...]]
    """Inputs of the loss Cell for some of the rows of a step."""
    tokens_per_step: int
    settings: dict[str, Any]
    """What a resume must find unchanged; see `identity_of`."""
    order_sha256: str | None = None
    """Hash of the planned order of the data; a resume with another one is refused."""
    observe: Callable[[int, StepResult], None] | None = None
    """Called after every step, for metrics of the stage."""
    log_every: int = 10
    _ledger: Ledger = field(default_factory=Ledger, init=False)
    _meter: _Meter = field(init=False)

    def run(self) -> None:
        """Trains to the end, or raises Stopped after SIGTERM with a checkpoint saved.

        Where the job wants checkpoints the last step leaves one too, so that what follows can be repeated alone.
        """
        job = self.worker.job
        done = 0 if job.resume is None else self._resume(job.resume)
        self._meter = _Meter(done)
        self.worker.phase("compiling", f"the graph of a step of {self.tokens_per_step:,} tokens")
        self.worker.progress(done, self.schedule.steps, "steps")
        for step in range(done, self.schedule.steps):
            rate = self.schedule.learning_rate(step)
            result = self._update(step, rate)
            self.worker.unsaved = True
            self._ledger.consume(self.rows(step))
            self._take(step, result)
            after = step + 1
            if step == done:
                self.worker.phase("training")
                self._meter.start(after)
            last = after == self.schedule.steps
            if after % self.log_every == 0 or last:
                self._log(after, rate, result)
            due = job.checkpoint_every is not None and (last or after % job.checkpoint_every == 0)
            stopping = self.worker.stopping if self.ranks == 1 else result.stopping
            if due or stopping:
                self.save(after)
            if stopping:
                raise Stopped(f"stopped by SIGTERM after step {after}, checkpoint saved")
        self.worker.unsaved = False
        self.worker.phase("loading", "measuring")

    @property
    def ledger_head(self) -> str:
        """Hash of all rows consumed so far, in order."""
        return self._ledger.head.hex()

    @property
    def amendment(self) -> dict[str, Any]:
        """Of a fork: `forked` says at which step, what changed, and the order before and after. Else empty."""
        return self._ledger.amendment(self.order_sha256)

    def save(self, step: int) -> None:
        """Commits a checkpoint after `step` steps."""
        if self.rank != 0:
            self.worker.unsaved = False
            return
        self.worker.phase("saving", f"checkpoint after step {step:,}")
        guard = self._guard
        save_checkpoint(
            self.worker,
            step=step,
            cursor={**self._ledger.as_json(), "orderSha256": self.order_sha256},
            settings=self.settings,
            tensors=tensors_of(self.network, self.step),
            extra=None if guard is None else {"spike": guard.as_json()},
        )
        self.worker.unsaved = False
        self.worker.phase("training")

    @property
    def rank(self) -> int:
        """Number of this process among those that train together."""
        return self.step.rank if isinstance(self.step, PartedStep) else 0

    @property
    def ranks(self) -> int:
        """Processes that train together."""
        return self.step.ranks if isinstance(self.step, PartedStep) else 1

    def skipped(self) -> dict[str, list[int]]:
        """For the summary: steps (from 0) whose batch the spike guard left out; nothing without a guard."""
        return {} if self._guard is None else {"skippedSteps": self._guard.skipped}

    @property
    def _guard(self) -> SpikeGuard | None:
        return self.step.guard if isinstance(self.step, PartedStep) else None

    def _update(self, step: int, rate: float) -> StepResult:
        if not isinstance(self.step, PartedStep):
            return self.step(self.batch(step, slice(None)), rate)
        parts = parts_of(
            len(self.rows(step)), micro_batch=self.step.micro_batch, rank=self.rank, ranks=self.ranks
        )
        batches = (self.batch(step, part) for part in parts)
        return self.step(batches, rate, step=step, stopping=self.worker.stopping)

    def _take(self, step: int, result: StepResult) -> None:
        if result.spike is not None:
            spike = result.spike
            self.worker.warning(
                f"step {step + 1}: spike of {spike.value:.6g}, at most {spike.limit:.6g} would have passed; "
                "its batch counts as consumed, the weights are as before",
                code="spike_skipped",
            )
            return
        self._meter.add(result.loss)
        if self.observe is not None:
            self.observe(step, result)

    def _log(self, step: int, rate: float, result: StepResult) -> None:
        loss, steps_per_second = self._meter.read(step)
        if loss is not None:
            self.worker.metric("loss", step, loss)
        self.worker.metric("lr", step, rate)
        if result.spike is None:
            self.worker.metric("grad_norm", step, result.gradient_norm)
        if steps_per_second is not None:
            self.worker.metric("tokens_per_second", step, steps_per_second * self.tokens_per_step)
        self.worker.progress(step, self.schedule.steps, "steps")

    def _resume(self, resume: ResumePoint) -> int:
        found = load_checkpoint(resume, self.worker)
        self._ledger = prove(
            self.worker,
            found,
            self.settings,
            steps=self.schedule.steps,
            rows=self.rows,
            order_sha256=self.order_sha256,
            fork=resume.fork,
        )
        restore(self.network, self.step, found)
        guard = self._guard
        if guard is not None and found.extra is not None:
            guard.restore(found.extra["spike"])
            self.step.updates = found.step - len(guard.skipped)
        return found.step


class _Meter:
    """Mean loss and speed since it was last read. The step that compiles does not count for the speed."""

    def __init__(self, step: int) -> None:
        self._losses: list[float] = []
        self.start(step)

    def start(self, step: int) -> None:
        self._step, self._since = step, time.monotonic()

    def add(self, loss: float) -> None:
        self._losses.append(loss)

    def read(self, step: int) -> tuple[float | None, float | None]:
        now = time.monotonic()
        speed = (step - self._step) / (now - self._since) if step > self._step else None
        loss = sum(self._losses) / len(self._losses) if self._losses else None
        self._losses.clear()
        self.start(step)
        return loss, speed


def identity_of(job: Job, **more: Any) -> dict[str, Any]:
    """What decides the weights beside the data: options without those that only measure, seed, and `more`."""
    measured = ("heldout", "log_every")
    options = {key: value for key, value in job.options.items() if key not in measured}
    if "trainer" in options:
        options["trainer"] = {"micro_batch": options["trainer"]["micro_batch"]}
    return {"kind": job.kind, "seed": job.seed, "options": options, **more}
