"""Mid-training with MindFormers: writes its YAML and the msrun commands, runs it, and takes the model over."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

from stages._worker.data.packed_part import BIN
from stages._worker.failures import DataError, UserError
from stages._worker.job import Job
from stages._worker.model.config import read_config
from stages._worker.worker import Worker
from stages.midtrain.mindformers.hand_over import conversion_commands, hand_over, source_tree
from stages.midtrain.mindformers.layout import lay_out
from stages.midtrain.mindformers.msrun import Meeting, all_nodes, msrun_command
from stages.midtrain.mindformers.ordered_entries import OrderedEntries
from stages.midtrain.mindformers.running import StepReports, run_msrun
from stages.midtrain.mindformers.training_yaml import Training, training_yaml
from stages.midtrain.order import Order
from stages.midtrain.planned import read_planned


def plan_training(job: Job) -> tuple[Training, Order]:
    """Everything that is known before the first NPU is touched; every refusal is made here."""
    if job.resume is not None:
        raise UserError(
            "going on from a checkpoint is not built for the MindFormers trainer: its checkpoints are not the run's",
            hint="`legalone retry` starts the stage anew",
        )
    _refuse_native_options(job)
    planned = read_planned(job)
    packed, order = planned.packed, planned.order
    base = job.input("model")
    model = read_config(base)
    planned.check_vocabulary(model.vocab_size)
    options = job.options
    layout = lay_out(
        model,
        options["parallel"],
        job.resources,
        batch=order.batch,
        sequence_length=packed.sequence_length,
    )
    training = Training(
        model=model,
        layout=layout,
        schedule=planned.schedule,
        optimizer=options["optimizer"],
        seed=job.seed,
        base=base,
        index=job.folder / "order" / "order.idx",
        data=tuple(folder / BIN for folder in planned.folders),
        end_of_document=int(packed.facts["endOfDocument"]),
        output=job.folder / "mindformers",
        checkpoint_every=job.checkpoint_every or order.steps,
        checkpoint_keep=max(1, job.checkpoint_keep),
        boundaries=options["attention"] == "document",
    )
    _check_index(training, order)
    return training, order


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
    config = write_files(training, job.folder)
    layout = training.layout
    if layout.nodes > 1:
        raise UserError(
            f"resources.nodes is {layout.nodes}: attempts over several nodes are not built; {config} is written",
            hint="set resources.nodes to 1",
        )
    tree = source_tree(os.environ)
    logs = training.output / "logs" / "node-0"
    command = msrun_command(layout, node_rank=0, meeting=Meeting(), config=config, logs=logs)
    reports = StepReports(worker, layout, steps=order.steps, every=job.options["log_every"])
    converted = training.output / "converted"
    commands = conversion_commands(
        training.model,
        tree=tree,
        output=training.output,
        schedule=training.schedule,
        target=converted,
        python=sys.executable,
    )
    (job.folder / "convert.txt").write_text(
        "".join(f"{shlex.join(line)}\n" for line in commands), encoding="utf-8"
    )
    # The last rank is of the last pipeline stage.
    run_msrun(worker, command, reports, logs=logs, rank=layout.world - 1, steps=order.steps)
    hand_over(
        worker,
        commands,
        training.model,
        converted,
        base=training.base,
        metrics={"tokens": order.steps * layout.global_batch * layout.sequence_length},
        summary={"orderSha256": order.sha256, "passes": order.facts["passes"], "trainer": "mindformers"},
    )


def _refuse_native_options(job: Job) -> None:
    if job.options["spike"]["factor"] is not None:
        raise UserError(
            "spike.factor is set: the MindFormers trainer has no spike guard",
            hint="leave it null; only the native trainer, for a model that fits one NPU, has one",
        )
    trainer = job.options["trainer"]
    if trainer["micro_batch"] is not None or trainer["recompute"] or trainer["processes"] != 1:
        raise UserError(
            f"trainer is {trainer}: these are options of the native trainer, MindFormers trains this model",
            hint="use parallel.micro_batches and parallel.recompute",
        )


def _check_index(training: Training, order: Order) -> None:
    entries = OrderedEntries(
        training.index,
        training.data,
        sequence_length=training.layout.sequence_length,
        end_of_document=training.end_of_document,
        boundaries=training.boundaries,
    )
    if len(entries) != order.steps * order.batch:
        raise DataError(
            f"{training.index}: {len(entries)} entries, the order has {order.steps} steps of {order.batch}",
            hint="delete the order folder of the attempt, so that it is planned again",
        )
