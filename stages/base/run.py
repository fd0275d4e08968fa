"""base: a tokenizer and a tiny Qwen3 from scratch, where no pretrained base model is at hand."""

from __future__ import annotations

from stages._worker.failures import UserError
from stages._worker.job import Job
from stages._worker.protocol import main
from stages._worker.worker import Worker


def run(job: Job, worker: Worker) -> None:
    """Trains on the `base` split of the corpus and commits the model."""
    if job.model is None:
        raise UserError("base needs a model to build", hint="name one: `model: tiny` in the pipeline file")
    from stages.base.train import train_base

    train_base(job, worker)


if __name__ == "__main__":
    main(run)
