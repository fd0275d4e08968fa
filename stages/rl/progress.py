"""How far a run of RL is, and its checkpoints at step boundaries."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from stages._worker.failures import ResumeRefused
from stages._worker.model.qwen3 import Qwen3ForCausalLM
from stages._worker.training.checkpoint import Checkpoint, save_checkpoint
from stages._worker.training.going_on import begin_again, refuse_another_past, restore, tensors_of
from stages._worker.training.ledger import Ledger
from stages._worker.training.resume import load_checkpoint
from stages._worker.training.train_step import TrainStep
from stages._worker.worker import Worker
from stages.rl.alarms import Watch
from stages.rl.consumed import Step, consume, pools_sha256, refuse_gaps, steps_of
from stages.rl.curriculum import Position
from stages.rl.level import Level


@dataclass(kw_only=True, slots=True)
class Progress:
    """Everything beside weights and moments that the next step depends on, and what is reported in the end."""

    pools: str  # hash over the prompts of all levels
    step: int = 0  # steps done in all levels
    updates: int = 0  # updates of the weights
    position: Position = field(default_factory=Position)
    watch: Watch = field(default_factory=Watch)
    ledger: Ledger = field(default_factory=Ledger)
    consumed: list[Step] = field(default_factory=list)  # since the ledger's beginning
    metrics: dict[str, float] = field(default_factory=dict)
    probed: dict[str, list[float | None]] = field(default_factory=dict)
    """Mean rewards of the probes' prompts before the level that is being trained, by metric."""
    answers: list[dict[str, Any]] = field(default_factory=list)
    alarms: list[dict[str, Any]] = field(default_factory=list)

    def learnt_from(self, prompts: list[int], *, draws: int) -> None:
        """Adds the prompts a step learnt from to the ledger; `position` is still that of the step."""
        self.consumed.append((self.position.level, self.position.step, draws, prompts))
        self.ledger.consume(np.array(prompts, np.uint32))

    def save(
        self,
        worker: Worker,
        network: Qwen3ForCausalLM,
        train_step: TrainStep,
        settings: dict[str, Any],
    ) -> None:
        """Commits a checkpoint of this moment."""
        worker.phase("saving", f"checkpoint after step {self.step:,}")
        save_checkpoint(
            worker,
            step=self.step,
            cursor={
                "updates": train_step.updates,
                "position": self.position.as_json(),
                "watch": self.watch.as_json(),
                **self.ledger.as_json(),
                "orderSha256": self.pools,
                "metrics": self.metrics,
                "probed": self.probed,
                "answers": self.answers,
                "alarms": self.alarms,
            },
            settings=settings,
            tensors=tensors_of(network, train_step),
            extra={"consumed": self.consumed},
        )
        worker.unsaved = False
        worker.phase("training")


def begin(
    worker: Worker,
    network: Qwen3ForCausalLM,
    train_step: TrainStep,
    settings: dict[str, Any],
    levels: list[Level],
) -> Progress:
    """A fresh start, or where the job's checkpoint left off: weights, moments and position are put back."""
    resume = worker.job.resume
    pools = pools_sha256(levels)
    if resume is None:
        return Progress(pools=pools)
    found = load_checkpoint(resume, worker)
    ledger = begin_again(worker, found, settings, order_sha256=pools, fork=resume.fork)
    restore(network, train_step, found)
    try:
        progress = _progress_of(found, ledger, pools)
        steps = list(steps_of(found.extra))
    except (KeyError, TypeError, ValueError) as error:
        raise ResumeRefused(f"the checkpoint of step {found.step} is none of RL: {error!r}") from error
    train_step.updates = progress.updates
    if resume.fork:
        _refuse_beyond(progress.position, levels)
        return progress
    begins = 0 if ledger.begins is None else ledger.begins.step
    refuse_gaps(steps, progress.position, begins=begins)
    consume(ledger, steps, levels, worker.job.options, worker.job.seed)
    refuse_another_past(ledger, found)
    progress.consumed = steps
    return progress


def _progress_of(found: Checkpoint, ledger: Ledger, pools: str) -> Progress:
    cursor = found.cursor
    return Progress(
        pools=pools,
        step=found.step,
        updates=cursor["updates"],
        position=Position.from_json(cursor["position"]),
        watch=Watch(**cursor["watch"]),
        ledger=ledger,
        metrics=cursor["metrics"],
        probed=cursor.get("probed", {}),  # checkpoints of before the first gains have none
        answers=cursor["answers"],
        alarms=cursor["alarms"],
    )


def _refuse_beyond(position: Position, levels: list[Level]) -> None:
    """A fork may change the curriculum, but not to one that has ended before where it begins."""
    limits = [level.gate.max_steps for level in levels]
    if position.level < len(limits) and position.step < limits[position.level]:
        return
    if position.level == len(limits) and position.step == 0:
        return
    raise ResumeRefused(
        f"the checkpoint stands at step {position.step} of level number {position.level}; the levels of this "
        f"curriculum have at most {limits} steps",
        hint="`legalone fork` with an earlier --step, or raise gate.max_steps",
    )
