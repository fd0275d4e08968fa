"""Mid-training with MindFormers: writes its YAML and the msrun commands, runs it, and takes the model over."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from stages._worker.failures import UserError
from stages._worker.job import Job
from stages._worker.training.room import require_room
from stages._worker.training.trainer import identity_of
from stages._worker.worker import Worker
from stages.midtrain.measured import midtrain_metrics
from stages.midtrain.mindformers.checkpoints.commits import Commits, ledger_after
from stages.midtrain.mindformers.checkpoints.saves import START
from stages.midtrain.mindformers.checkpoints.starting import start_at
from stages.midtrain.mindformers.hand_over import conversion_commands, convert, hand_over, source_tree
from stages.midtrain.mindformers.heldout import measure_apart
from stages.midtrain.mindformers.msrun import Meeting, all_nodes, msrun_command
from stages.midtrain.mindformers.planning import plan_training
from stages.midtrain.mindformers.running import StepReports, run_msrun
from stages.midtrain.mindformers.training_yaml import Training, training_yaml
from stages.midtrain.order import Order


def write_files(training: Training, folder: Path, *, meeting: Meeting | None = None) -> Path:
    """Writes train.yaml and msrun.txt, one command a node, into `folder`; the path of the YAML."""
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "train.yaml"
    config.write_text(training_yaml(training), encoding="utf-8")
    if training.layout.nodes == 1 or meeting is not None:
        commands = all_nodes(
            training.layout, meeting=meeting or Meeting(), config=config, logs=training.output / "logs"
        )
        (folder / "msrun.txt").write_text(commands, encoding="utf-8")
    return config


def train_with_mindformers(job: Job, worker: Worker) -> None:
    """The whole stage, on one node."""
    worker.phase("loading")
    training, order = plan_training(job)
    layout, output = training.layout, training.output
    if layout.nodes > 1:
        config = write_files(training, job.folder)
        raise UserError(
            f"resources.nodes is {layout.nodes}: attempts over several nodes are not built; {config} is written",
            hint="set resources.nodes to 1",
        )
    tree = source_tree(os.environ)
    settings = identity_of(job, steps=order.steps, batch=order.batch, sequenceLength=layout.sequence_length)
    # What an attempt that was broken off left here belongs to no checkpoint.
    shutil.rmtree(output, ignore_errors=True)
    start = start_at(worker, job.resume, layout=layout, order=order, settings=settings, folder=output / START)
    training = replace(training, start=start)
    before = measure_apart(worker, training.base, output / "heldout-before")
    worker.raise_if_stopping()
    if start.step < order.steps:
        _train(job, worker, training, order, settings)
    ended = output if start.step < order.steps else output / START
    converted = output / "converted"
    commands = conversion_commands(
        training.model,
        tree=tree,
        source=ended,
        output=output,
        schedule=training.schedule,
        target=converted,
        python=sys.executable,
    )
    (job.folder / "convert.txt").write_text(
        "".join(f"{shlex.join(line)}\n" for line in commands), encoding="utf-8"
    )
    convert(worker, commands, converted)
    ledger = ledger_after(start.ledger, order, done=start.step, steps=order.steps)
    amendment = ledger.amendment(order.sha256)

    def measure(model: Path) -> dict[str, float]:
        after = measure_apart(worker, model, output / "heldout-after")
        return midtrain_metrics(
            before, after, tokens=order.steps * layout.global_batch * layout.sequence_length
        )

    hand_over(
        worker,
        training.model,
        converted,
        base=training.base,
        measure=measure,
        summary={
            "orderSha256": order.sha256,
            "ledger": ledger.head.hex(),
            "passes": order.facts["passes"],
            "trainer": "mindformers",
            **amendment,
        },
        meta=amendment,
    )


def _train(job: Job, worker: Worker, training: Training, order: Order, settings: dict[str, Any]) -> None:
    """msrun from the start of the training to its last step."""
    layout, start = training.layout, training.start
    # The least a save takes: weights and two moments in fp32, of which no rank holds a copy.
    job.folder.mkdir(parents=True, exist_ok=True)
    require_room(job.folder, 12 * training.model.parameter_count(), what="a save of MindFormers")
    config = write_files(training, job.folder)
    logs = training.output / "logs" / "node-0"
    run_msrun(
        worker,
        msrun_command(layout, node_rank=0, meeting=Meeting(), config=config, logs=logs),
        StepReports(worker, layout, steps=order.steps, every=job.options["log_every"], done=start.step),
        Commits(
            worker,
            output=training.output,
            layout=layout,
            order=order,
            settings=settings,
            ledger=start.ledger,
            done=start.step,
        ),
        logs=logs,
        # The last rank is of the last pipeline stage.
        rank=layout.world - 1,
        steps=order.steps,
        npus=layout.npus,
    )
