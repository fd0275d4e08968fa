"""The corpus stage's work on one file: `ours.py FILE FOLDER [PROCESSES]` prints seconds, documents and how many it
keeps, as JSON. One process stays on one core. CPU seconds and peak of memory are those of the stage's own process, CPU
seconds of helpers those of all processes that prepare documents, their start included.
"""

import json
import os
import resource
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[4]))

from stages.corpus.build import CorpusBuilder
from stages.corpus.config import complete_corpus


def main(path: str, folder: Path, processes: int) -> None:
    """Reads, cleans, looks for duplicates, splits and writes."""
    source = {
        "name": "made-up",
        "group": "general",
        "license": "none",
        "format": "jsonl",
        "path": path,
        "fields": {"id": "id", "text": "text"},
        "split": {"heldout": {"share": 0.001}},
    }
    config = complete_corpus(
        {"name": "bench", "version": 1, "about": "Bench.", "as_of": "2026-10-01", "sources": [source]}
    )
    start, started = time.perf_counter(), time.process_time()
    before = helpers_cpu()
    builder = CorpusBuilder(
        config, seed=1, folder=folder, scratch=folder / "scratch", max_bad_share=None, processes=processes
    )
    (told,) = builder.build(lambda _: None)["sources"]
    seconds = time.perf_counter() - start
    kept = sum(each["documents"] for each in told["kept"].values())
    peak = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(
        json.dumps(
            {
                "seconds": seconds,
                "cpuSeconds": time.process_time() - started,
                "helpersCpuSeconds": helpers_cpu() - before,
                "documents": told["rows"],
                "kept": kept,
                "peakBytes": peak,
                "dropped": told["dropped"],
            }
        )
    )


def helpers_cpu() -> float:
    """CPU seconds of all processes that this one started and that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    count = int(sys.argv[3]) if len(sys.argv) > 3 else 1
    if count == 1 and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    main(sys.argv[1], Path(sys.argv[2]), count)
