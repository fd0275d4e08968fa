"""What MindFormers is to train, from the job and its order: checked before a checkpoint is looked at."""

from __future__ import annotations

from stages._worker.data.packed_part import BIN
from stages._worker.failures import DataError, UserError
from stages._worker.job import Job
from stages._worker.model.config import read_config
from stages.midtrain.mindformers.layout import lay_out
from stages.midtrain.mindformers.ordered_entries import OrderedEntries
from stages.midtrain.mindformers.training_yaml import Training
from stages.midtrain.order import Order
from stages.midtrain.planned import read_planned


def plan_training(job: Job) -> tuple[Training, Order]:
    """The training from its first step, and its order. Raises UserError or DataError for what does not fit."""
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
        boundaries=options["attention"] == "document",
    )
    _check_index(training, order)
    return training, order


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
