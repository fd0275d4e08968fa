"""corpus: documents of the three groups, cleaned, valid, without duplicates, in splits."""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path

from stages._worker.job import Job
from stages._worker.protocol import main
from stages._worker.worker import Worker
from stages.corpus.build import CorpusBuilder
from stages.corpus.config import complete_corpus


def run(job: Job, worker: Worker) -> None:
    """Builds the corpus of `with.corpus` and reports what was kept and dropped."""
    config = complete_corpus(job.options["corpus"])
    for left in [job.output / "corpus", *job.output.glob("scratch-*")]:
        shutil.rmtree(left, ignore_errors=True)
    folder = worker.stage_output("corpus")
    said = told = time.monotonic()
    of = len(config["sources"])

    def progress(source: int) -> None:
        nonlocal said, told
        worker.raise_if_stopping()
        # One source may take hours: that it goes on is said again, or it would be taken for a stall.
        if time.monotonic() - told > 60:
            worker.phase("loading", f"reading and cleaning source {min(source + 1, of)} of {of}")
            told = time.monotonic()
        if time.monotonic() - said > 1:
            worker.progress(source, of, "sources")
            said = time.monotonic()

    worker.phase("loading", f"reading and cleaning {of} sources")
    with tempfile.TemporaryDirectory(prefix="scratch-", dir=job.output) as scratch:
        builder = CorpusBuilder(
            config,
            seed=job.seed,
            folder=folder,
            scratch=Path(scratch),
            max_bad_share=job.options["max_bad_share"],
            processes=job.options["processes"],
        )
        report = builder.build(progress, worker.raise_if_stopping)
    metrics = {
        f"{split}_{group}_{name}": value
        for split, groups in report["splits"].items()
        for group, counts in groups.items()
        for name, value in counts.items()
    }
    dropped: dict[str, int] = {}
    for source in report["sources"]:
        for reason, count in source["dropped"].items():
            dropped[reason] = dropped.get(reason, 0) + count
    kept = sum(value for name, value in metrics.items() if name.endswith("_documents"))
    summary = {"splits": report["splits"], "dropped": dict(sorted(dropped.items()))}
    worker.phase("saving", f"{kept:,} documents")
    worker.commit("corpus", meta={"corpus": config["name"], "splits": report["splits"]})
    worker.finish(metrics={**metrics, "documents": kept}, summary=summary)


if __name__ == "__main__":
    main(run)
