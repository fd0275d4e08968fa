"""An attempt that trains in several processes: msrun starts them, this one waits and says how they ended.

Every rank runs the stage from the same job file. Rank 0 appends to the event file in this process's place.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from stages._worker.failures import Stopped, WorkerFailure
from stages._worker.job import Job
from stages._worker.jsonl import write_json
from stages._worker.training.ranks.outcome import COMPLETED, Outcome, read_outcomes
from stages._worker.training.ranks.place import RANKS, ranks_folder, this_rank
from stages._worker.worker import Worker

LAUNCH = Path(__file__).resolve().parent / "launch.py"
MEETING_SECONDS = 300
"""Until all ranks have to be there."""
_GRACE_SECONDS = 3.0
"""Between the end of the rank that decides and the end of all others."""
_POLL_SECONDS = 0.1


def trains_together(job: Job) -> bool:
    """Whether this process has to start ranks: the stage asks for several, and it is none of them."""
    return job.options["trainer"]["processes"] > 1 and this_rank() == (0, 1)


def run_together(job: Job, worker: Worker) -> None:
    """Runs the stage in `trainer.processes` ranks to its end; finishes the attempt, or raises what ended them."""
    ranks = job.options["trainer"]["processes"]
    folder = ranks_folder(job.folder)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    write_json(folder / "job.json", job.raw)
    # Rank 0 has the event file from here, and the heart; SIGTERM has to reach the ranks through this process.
    worker.unsaved = True
    worker.close()
    with (folder / "msrun.log").open("wb") as log:
        process = subprocess.Popen(
            _command(folder, ranks),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=_environment(ranks),
        )
    try:
        _wait(process, folder, ranks, worker)
    finally:
        _end_all(process, folder)
        worker.unsaved = False
    _finish(worker, folder, read_outcomes(folder, ranks), process.returncode)


def _command(folder: Path, ranks: int) -> list[str]:
    return [
        sys.executable,
        str(LAUNCH),
        "msrun",
        f"--worker_num={ranks}",
        f"--local_worker_num={ranks}",
        "--master_addr=127.0.0.1",
        f"--master_port={_free_port()}",
        f"--log_dir={folder}",
        "--join=True",
        # No such rank. For those it names, all by default, msrun starts a `tail` that would outlive a kill -9.
        f"--tail_worker_log={ranks}",
        f"--cluster_time_out={MEETING_SECONDS}",
        str(LAUNCH),
        "--job",
        str(folder / "job.json"),
    ]


def _environment(ranks: int) -> dict[str, str]:
    # msrun runs whatever `python` comes first.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    return {**os.environ, RANKS: str(ranks), "PATH": path}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait(process: subprocess.Popen[bytes], folder: Path, ranks: int, worker: Worker) -> None:
    """Until msrun, rank 0 or a rank that failed has ended; passes SIGTERM on once."""
    told = False
    deadline: float | None = None
    while process.poll() is None and (deadline is None or time.monotonic() < deadline):
        time.sleep(_POLL_SECONDS)
        if worker.stopping and not told:
            told = _signal(folder, "rank-*", signal.SIGTERM) == ranks
        outcomes = read_outcomes(folder, ranks)
        over = 0 in outcomes or any(
            outcome.reason not in (COMPLETED, Stopped.reason) for outcome in outcomes.values()
        )
        if deadline is None and (over or _left(folder, ranks)):
            deadline = time.monotonic() + _GRACE_SECONDS


def _left(folder: Path, ranks: int) -> bool:
    """Whether a rank is gone, with or without an outcome."""
    pids = _pids(folder, "rank-*")
    return len(pids) == ranks and not all(_runs(pid) for pid in pids)


def _runs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except OSError:
        return not Path("/proc/self").exists()  # without /proc nobody can tell: msrun will end
    return state not in ("Z", "X")


def _end_all(process: subprocess.Popen[bytes], folder: Path) -> None:
    _signal(folder, "*", signal.SIGKILL)
    process.kill()
    process.wait()


def _signal(folder: Path, names: str, number: signal.Signals) -> int:
    """How many processes got it."""
    sent = 0
    for pid in _pids(folder, names):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
            sent += 1
    return sent


def _pids(folder: Path, names: str) -> list[int]:
    texts = [path.read_text(encoding="utf-8") for path in folder.glob(f"{names}.pid")]
    return [int(text) for text in texts if text]


def _finish(worker: Worker, folder: Path, outcomes: dict[int, Outcome], code: int | None) -> None:
    first = outcomes.get(0)
    if first is not None and first.reason == COMPLETED:
        worker.finish(metrics=first.metrics, summary=first.summary)
        return
    failed = [outcome for outcome in outcomes.values() if outcome.reason not in (COMPLETED, Stopped.reason)]
    if failed:
        raise failed[0].failure()
    if first is not None:
        raise first.failure()
    if worker.stopping:
        raise Stopped("stopped by SIGTERM before the first step was over, nothing to save")
    raise WorkerFailure(
        f"a rank was lost without a word (msrun ended with {code})",
        hint=f"read worker_*.log, scheduler.log and msrun.log in {folder}",
    )
