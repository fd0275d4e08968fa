"""midtrain: goes on training the base model on the packed corpus, in the order that PAS planned."""

from __future__ import annotations

import os

from stages._worker.failures import UserError
from stages._worker.job import Job
from stages._worker.protocol import main
from stages._worker.training.parted.parts import check_parts
from stages._worker.training.ranks.together import run_together, trains_together
from stages._worker.worker import Worker


def run(job: Job, worker: Worker) -> None:
    """Reads the order, checks it against the data, trains, and commits the model.

    A model that is cut over NPUs is MindFormers' to train, any other the native trainer's.
    """
    parallel = job.options["parallel"]
    cut = [name for name in ("tensor", "pipeline", "context", "micro_batches") if parallel[name] != 1]
    if cut and os.environ.get("LEGALONE_DEVICE", "cpu").lower() == "ascend":
        from stages.midtrain.mindformers.train import train_with_mindformers

        train_with_mindformers(job, worker)
        return
    if cut:
        raise UserError(
            f"parallel.{cut[0]} is {parallel[cut[0]]}: the native trainer keeps the whole model on one device",
            hint="leave `parallel` at its defaults for a model that fits one device; on Ascend MindFormers cuts it",
        )
    check_parts(job.options)
    if trains_together(job):
        run_together(job, worker)
        return
    from stages.midtrain.train import train_in_order

    train_in_order(job, worker)


if __name__ == "__main__":
    main(run)
