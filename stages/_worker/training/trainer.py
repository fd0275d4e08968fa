"""The training loop that base, midtrain and sft share.

Everything a step does is a function of its number, so a run that is killed anywhere and goes on from a
checkpoint ends with the same bits (same machine type, versions and threads).
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from mindspore import Tensor, nn

from stages._worker.failures import ResumeRefused, Stopped
from stages._worker.job import Job
from stages._worker.model.weights import set_weights, weights_of
from stages._worker.training import ledger
from stages._worker.training.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from stages._worker.training.schedule import Schedule
from stages._worker.training.train_step import StepResult, TrainStep
from stages._worker.worker import Worker


@dataclass(kw_only=True, slots=True)
class Trainer:
    """Runs `schedule.steps` updates, from the job's checkpoint when it names one."""

    worker: Worker
    network: nn.Cell
    step: TrainStep
    schedule: Schedule
    rows: Callable[[int], np.ndarray]
    """Row ids a step consumes, for the ledger."""
    batch: Callable[[int], tuple[np.ndarray, ...]]
    """Inputs of the loss Cell for a step."""
    tokens_per_step: int
    settings: dict[str, Any]
    """What a resume must find unchanged; see `identity_of`."""
    order_sha256: str | None = None
    """Hash of the planned order of the data; a resume with another one is refused."""
    observe: Callable[[int, StepResult], None] | None = None
    """Called after every step, for metrics of the stage."""
    log_every: int = 10
    _ledger: bytes = field(default=ledger.GENESIS, init=False)
    _row: int = field(default=0, init=False)
    _meter: _Meter = field(init=False)

    def run(self) -> None:
        """Trains to the end, or raises Stopped after SIGTERM with a checkpoint saved."""
        job = self.worker.job
        done = 0 if job.resume is None else self._resume(load_checkpoint(job.resume, self.worker))
        self._meter = _Meter(done)
        self.worker.phase("compiling")
        self.worker.progress(done, self.schedule.steps, "steps")
        for step in range(done, self.schedule.steps):
            rate = self.schedule.learning_rate(step)
            result = self.step(self.batch(step), rate)
            self._consume(step)
            self._meter.add(result.loss)
            if self.observe is not None:
                self.observe(step, result)
            after = step + 1
            if step == done:
                self.worker.phase("training")
                self._meter.start(after)
            last = after == self.schedule.steps
            if after % self.log_every == 0 or last:
                self._log(after, rate, result)
            due = job.checkpoint_every is not None and after % job.checkpoint_every == 0
            if (due or self.worker.stopping) and not last:
                self.save(after)
            if self.worker.stopping and not last:
                raise Stopped(f"stopped by SIGTERM after step {after}, checkpoint saved")

    @property
    def ledger_head(self) -> str:
        """Hash of all rows consumed so far, in order."""
        return self._ledger.hex()

    def save(self, step: int) -> None:
        """Commits a checkpoint after `step` steps."""
        self.worker.phase("saving")
        moments = {name: value.asnumpy() for name, value in self.step.optimizer.moments().items()}
        save_checkpoint(
            self.worker,
            step=step,
            cursor={"row": self._row, "ledger": self.ledger_head, "orderSha256": self.order_sha256},
            settings=self.settings,
            tensors={"model": weights_of(self.network), "optimizer": moments},
            keep=self.worker.job.checkpoint_keep,
        )
        self.worker.phase("training")

    def _consume(self, step: int) -> None:
        rows = self.rows(step)
        self._ledger = ledger.extend(self._ledger, rows)
        self._row += len(rows)

    def _log(self, step: int, rate: float, result: StepResult) -> None:
        loss, steps_per_second = self._meter.read(step)
        self.worker.metric("loss", step, loss)
        self.worker.metric("lr", step, rate)
        self.worker.metric("grad_norm", step, result.gradient_norm)
        if steps_per_second is not None:
            self.worker.metric("tokens_per_second", step, steps_per_second * self.tokens_per_step)
        self.worker.progress(step, self.schedule.steps, "steps")

    def _resume(self, found: Checkpoint) -> int:
        refuse_changes(found, self.settings, order_sha256=self.order_sha256)
        set_weights(self.network, found.tensors["model"], where=f"checkpoint of step {found.step}")
        restore_moments(self.step, found)
        for step in range(found.step):
            self._consume(step)
        if (self._row, self.ledger_head) != (found.cursor["row"], found.cursor["ledger"]):
            raise ResumeRefused(
                f"the rows before step {found.step} are not those the checkpoint consumed",
                hint="`legalone fork` is the way to change the data of a run",
            )
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

    def read(self, step: int) -> tuple[float, float | None]:
        now = time.monotonic()
        speed = (step - self._step) / (now - self._since) if step > self._step else None
        loss = sum(self._losses) / len(self._losses)
        self._losses.clear()
        self.start(step)
        return loss, speed


def identity_of(job: Job, **more: Any) -> dict[str, Any]:
    """What decides the weights beside the data: options without those that only measure, seed, and `more`."""
    measured = ("heldout", "log_every")
    options = {key: value for key, value in job.options.items() if key not in measured}
    return {"kind": job.kind, "seed": job.seed, "options": options, **more}


def refuse_changes(found: Checkpoint, settings: dict[str, Any], *, order_sha256: str | None) -> None:
    """Raises ResumeRefused that names every setting the checkpoint has otherwise."""
    settings = json.loads(json.dumps(settings))
    changed = {
        key: (found.settings.get(key), settings.get(key))
        for key in sorted({*found.settings, *settings})
        if found.settings.get(key) != settings.get(key)
    }
    if found.cursor.get("orderSha256") != order_sha256:
        changed["orderSha256"] = (found.cursor.get("orderSha256"), order_sha256)
    if changed:
        lines = [f"{key} was {old} and is {new}" for key, (old, new) in changed.items()]
        raise ResumeRefused(
            f"the checkpoint of step {found.step} belongs to another training: " + "; ".join(lines),
            hint="put the settings back, or `legalone fork` the run",
        )


def restore_moments(step: TrainStep, found: Checkpoint) -> None:
    """Puts the optimizer back where the checkpoint left it."""
    saved = found.tensors["optimizer"]
    for name, moment in step.optimizer.moments().items():
        if name not in saved or saved[name].shape != tuple(moment.shape):
            raise ResumeRefused(f"the checkpoint of step {found.step} has no fitting {name}")
        moment.set_data(Tensor(saved[name]))
    step.updates = found.step
