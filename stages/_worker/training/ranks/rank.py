"""One rank of a training. Rank 0 speaks for the attempt and writes what it makes; the others only compute."""

from __future__ import annotations

import importlib
import os
import sys
import time
import traceback
from pathlib import Path
from typing import Any, NoReturn

from stages._worker.events import EventFile
from stages._worker.failures import Stopped, as_failure
from stages._worker.job import parse_job, read_job
from stages._worker.leaving import Leaving
from stages._worker.training.ranks.outcome import COMPLETED, Outcome, read_outcomes, write_outcome
from stages._worker.training.ranks.place import ranks_folder, this_rank
from stages._worker.worker import Worker


class RankWorker(Worker):
    """A worker whose result is written by the attempt."""

    outcome: Outcome | None = None

    def finish(
        self, *, metrics: dict[str, float | None] | None = None, summary: dict[str, Any] | None = None
    ) -> None:
        """Keeps the result for the attempt."""
        self.finished = True
        self.close()
        self.outcome = Outcome(reason=COMPLETED, metrics=metrics or {}, summary=summary or {})


def run_rank(path: Path) -> NoReturn:
    """The process of one rank, or of the scheduler."""
    raw = read_job(path)
    folder = ranks_folder(Path(raw["folder"]))
    if os.environ.get("MS_ROLE") == "MS_SCHED":
        _write_pid(folder, "scheduler")
        from stages._worker.model import device

        device.set_up()
        device.join_ranks()
        os._exit(0)
    rank, _ = this_rank()
    _write_pid(folder, f"rank-{rank}")
    code = _train(raw, folder, rank)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _train(raw: dict[str, Any], folder: Path, rank: int) -> int:
    leaving = Leaving()
    job = parse_job(raw)
    events = EventFile(job.events if rank == 0 else folder / f"events-{rank}.jsonl")
    worker = RankWorker(job, events, leaving.stop)
    # Without its event file it leaves in silence: the attempt says how it ended.
    leaving.watch(worker, None)
    stage = importlib.import_module(f"stages.{job.kind.replace('-', '_')}.run")
    try:
        stage.run(job, worker)
        worker.close()
        outcome = worker.outcome or Outcome(reason=COMPLETED)
        code = 0
    except Exception as error:
        worker.close()
        traceback.print_exception(error)
        failure = as_failure(error)
        outcome = Outcome(reason=failure.reason, message=str(failure), hint=failure.hint)
        # msrun kills all ranks when one ends with another code than 0; after a stop rank 0 may still be saving.
        code = 0 if isinstance(failure, Stopped) else failure.exit_code
    events.close()
    write_outcome(folder, rank, outcome)
    # A rank that is gone would look like one that was lost, while rank 0 measures and writes the model.
    while code == 0 and 0 not in read_outcomes(folder, 1):
        time.sleep(0.1)
    return code


def _write_pid(folder: Path, name: str) -> None:
    (folder / f"{name}.pid").write_text(str(os.getpid()), encoding="utf-8")
