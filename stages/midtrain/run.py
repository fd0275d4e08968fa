"""midtrain: goes on training the base model on the packed corpus, in the order that PAS planned."""

from __future__ import annotations

from stages._worker.failures import UserError
from stages._worker.job import Job
from stages._worker.protocol import main
from stages._worker.worker import Worker


def run(job: Job, worker: Worker) -> None:
    """Reads the order, checks it against the data, trains, and commits the model."""
    parallel = job.options["parallel"]
    cut = [name for name in ("tensor", "pipeline", "context", "micro_batches") if parallel[name] != 1]
    if cut:
        raise UserError(
            f"parallel.{cut[0]} is {parallel[cut[0]]}: the native trainer keeps the whole model on one device",
            hint="leave `parallel` at its defaults for a model that fits one device",
        )
    from stages.midtrain.train import train_in_order

    train_in_order(job, worker)


if __name__ == "__main__":
    main(run)
