"""eval: scores the models of a run before and after each phase."""

from stages._worker.job import Job
from stages._worker.protocol import main
from stages._worker.worker import Worker


def run(job: Job, worker: Worker) -> None:
    """Evaluates all model inputs and commits the report."""
    from stages.eval.evaluate import evaluate

    evaluate(job, worker)


if __name__ == "__main__":
    main(run)
