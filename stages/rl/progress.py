"""How far a run of RL is, and its checkpoints at step boundaries."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from stages._worker.failures import ResumeRefused
from stages._worker.model.qwen3 import Qwen3ForCausalLM
from stages._worker.model.weights import set_weights, weights_of
from stages._worker.training import ledger
from stages._worker.training.checkpoint import load_checkpoint, save_checkpoint
from stages._worker.training.train_step import TrainStep
from stages._worker.training.trainer import refuse_changes, restore_moments
from stages._worker.worker import Worker
from stages.rl.alarms import Watch
from stages.rl.curriculum import Position


@dataclass(kw_only=True, slots=True)
class Progress:
    """Everything beside weights and moments that the next step depends on, and what is reported in the end."""

    step: int = 0  # steps done in all levels
    updates: int = 0  # updates of the weights
    position: Position = field(default_factory=Position)
    watch: Watch = field(default_factory=Watch)
    ledger: bytes = ledger.GENESIS
    metrics: dict[str, float] = field(default_factory=dict)
    answers: list[dict[str, Any]] = field(default_factory=list)
    alarms: list[dict[str, Any]] = field(default_factory=list)

    def consumed(self, prompts: list[int]) -> None:
        """Adds the prompts a step learnt from to the ledger."""
        self.ledger = ledger.extend(self.ledger, np.array(prompts, np.uint32))

    def save(
        self, worker: Worker, network: Qwen3ForCausalLM, train_step: TrainStep, settings: dict[str, Any]
    ) -> None:
        """Commits a checkpoint of this moment."""
        worker.phase("saving")
        moments = {name: value.asnumpy() for name, value in train_step.optimizer.moments().items()}
        save_checkpoint(
            worker,
            step=self.step,
            cursor={
                "updates": train_step.updates,
                "position": self.position.as_json(),
                "watch": self.watch.as_json(),
                "ledger": self.ledger.hex(),
                "metrics": self.metrics,
                "answers": self.answers,
                "alarms": self.alarms,
            },
            settings=settings,
            tensors={"model": weights_of(network), "optimizer": moments},
            keep=worker.job.checkpoint_keep,
        )
        worker.phase("training")


def begin(
    worker: Worker, network: Qwen3ForCausalLM, train_step: TrainStep, settings: dict[str, Any]
) -> Progress:
    """A fresh start, or where the job's checkpoint left off: weights, moments and position are put back."""
    resume = worker.job.resume
    if resume is None:
        return Progress()
    found = load_checkpoint(resume, worker)
    refuse_changes(found, settings, order_sha256=None)
    set_weights(network, found.tensors["model"], where=f"checkpoint of step {found.step}")
    restore_moments(train_step, found)
    cursor = found.cursor
    try:
        train_step.updates = cursor["updates"]
        return Progress(
            step=found.step,
            updates=cursor["updates"],
            position=Position.from_json(cursor["position"]),
            watch=Watch(**cursor["watch"]),
            ledger=bytes.fromhex(cursor["ledger"]),
            metrics=cursor["metrics"],
            answers=cursor["answers"],
            alarms=cursor["alarms"],
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ResumeRefused(f"the checkpoint of step {found.step} is none of RL: {error!r}") from error
