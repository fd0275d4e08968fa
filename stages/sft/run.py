"""sft: teaches a model to answer in the `<think>` form, from samples mixed with general instructions."""

from stages._worker.job import Job
from stages._worker.protocol import main
from stages._worker.training.parted.parts import check_parts
from stages._worker.worker import Worker


def run(job: Job, worker: Worker) -> None:
    """Fine-tunes the input model and commits the result."""
    check_parts(job.options)
    from stages.sft.train import train_sft

    train_sft(job, worker)


if __name__ == "__main__":
    main(run)
