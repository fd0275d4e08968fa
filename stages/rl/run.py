"""rl: curriculum reinforcement learning with DAPO and a length-weighted baseline."""

from stages._worker.job import Job
from stages._worker.protocol import main
from stages._worker.worker import Worker


def run(job: Job, worker: Worker) -> None:
    """Trains the input model level by level and commits the result."""
    from stages.rl.train import train_rl

    train_rl(job, worker)


if __name__ == "__main__":
    main(run)
