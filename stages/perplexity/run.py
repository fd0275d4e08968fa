"""perplexity: scores documents with the base model, sorts them into bands, packs each cell."""

from __future__ import annotations

from stages._worker.job import Job
from stages._worker.protocol import main
from stages._worker.worker import Worker
from stages.perplexity.bands import BandRule


def run(job: Job, worker: Worker) -> None:
    """Commits `packed`: the tokens of every cell, and how the documents scored."""
    rule = BandRule(**job.options["bands"])
    from stages.perplexity.score import score_and_pack

    score_and_pack(job, worker, rule)


if __name__ == "__main__":
    main(run)
