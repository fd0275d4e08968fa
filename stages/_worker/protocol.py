"""The way into every stage: `main(run)` reads the job, calls `run(job, worker)` and names how it ended.

A stage's run.py ends with

    if __name__ == "__main__":
        main(run)

and works with or without the control plane: `python -m stages.<kind>.run --job job.json`.
Exit codes and reasons stand in failures.py; they are also in the `result` event.
"""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any, NoReturn

from stages._worker.events import EventFile
from stages._worker.failures import Stopped, WorkerFailure, as_failure
from stages._worker.job import Job, parse_job, read_job
from stages._worker.leaving import Leaving
from stages._worker.worker import Worker

_REPORTED_PACKAGES = ("mindspore", "mindformers", "numpy", "tokenizers", "safetensors")


def main(run: Callable[[Job, Worker], None]) -> NoReturn:
    """Runs one attempt and ends the process with the exit code of its reason."""
    parser = argparse.ArgumentParser(description="Runs one stage of a pipeline from its job file.")
    parser.add_argument("--job", type=Path, required=True, help="job.json (protocol.schema.json, Job)")
    arguments = parser.parse_args()
    try:
        raw = read_job(arguments.job)
    except WorkerFailure as failure:
        print(f"{failure.reason}: {failure}", file=sys.stderr)
        raise SystemExit(failure.exit_code) from failure
    code = _run_attempt(run, raw)
    sys.stdout.flush()
    sys.stderr.flush()
    # Threads of MindSpore may hold up or crash an orderly exit; everything is on disk by now.
    os._exit(code)


def _run_attempt(run: Callable[[Job, Worker], None], raw: dict[str, Any]) -> int:
    leaving = Leaving()
    events: EventFile | None = None
    worker: Worker | None = None
    try:
        events = EventFile(Path(raw["events"]))
        _say_started(events, raw)
        worker = Worker(parse_job(raw), events, leaving.stop)
        leaving.watch(worker, events)
        run(worker.job, worker)
        worker.close()
        if not worker.finished:
            worker.finish()
        events.close()
        return 0
    except Exception as error:
        if worker is not None:
            worker.close()
        return _end(as_failure(error), error, events)


def _say_started(events: EventFile, raw: dict[str, Any]) -> None:
    events.write(
        "started",
        durable=True,
        attempt=raw["attempt"],
        epoch=raw["epoch"],
        pid=os.getpid(),
        program=f"python -m stages.{raw['kind'].replace('-', '_')}.run",
        versions=versions(),
        device=os.environ.get("LEGALONE_DEVICE", "cpu"),
    )


def _end(failure: WorkerFailure, error: Exception, events: EventFile | None) -> int:
    if failure.reason == WorkerFailure.reason:
        traceback.print_exception(error)
    else:
        print(f"{failure.reason}: {failure}", file=sys.stderr)
    status = "stopped" if isinstance(failure, Stopped) else "failed"
    hint = {} if failure.hint is None else {"hint": failure.hint}
    try:
        if events is not None:
            events.write(
                "result", last=True, status=status, reason=failure.reason, message=str(failure), **hint
            )
            events.close()
    except OSError as second:
        # On a full disk the exit code alone has to name the reason.
        print(f"cannot write the result event: {second}", file=sys.stderr)
    return failure.exit_code


def versions() -> dict[str, str]:
    """Versions of Python and the packages that decide the numbers, without importing them."""
    found = {"python": sys.version.split()[0]}
    for package in _REPORTED_PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found
