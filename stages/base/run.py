"""base: a tokenizer and a tiny Qwen3 from scratch, where no pretrained base model is at hand."""

from __future__ import annotations

from stages._worker.failures import UserError
from stages._worker.job import Job
from stages._worker.protocol import main
from stages._worker.training.parted.parts import check_parts
from stages._worker.training.ranks.together import run_together, trains_together
from stages._worker.worker import Worker


def run(job: Job, worker: Worker) -> None:
    """Trains on the `base` split of the corpus and commits the model."""
    if job.model is None:
        raise UserError("base needs a model to build", hint="name one: `model: tiny` in the pipeline file")
    check_parts(job.options)
    if trains_together(job):
        run_together(job, worker)
        return
    from stages.base.train import train_base

    train_base(job, worker)


if __name__ == "__main__":
    main(run)
