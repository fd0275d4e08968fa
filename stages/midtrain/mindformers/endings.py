"""Why msrun ended badly, from its logs: the rank that was first, and what that rank said."""

from __future__ import annotations

import re
from pathlib import Path

from stages._worker.failures import NumericError, OutOfMemory, WorkerFailure, as_failure

_CULPRIT = re.compile(r"worker (\d+) is the first one timed out")
_CODE = re.compile(r"\b(E[IJLEHZ]\d{4})\b")
_ERROR = re.compile(r"^(?:\w+\.)*\w*(?:Error|Exception)\b.*")
_NAN = re.compile(r"loss.*\b(?:nan|inf)\b", re.IGNORECASE)
_TAIL_BYTES = 256_000


def failure_of(logs: Path, code: int) -> WorkerFailure:
    """The failure that the logs of a node speak of; `code` is msrun's exit code, below 0 for a signal."""
    ended = f"msrun was killed by signal {-code}" if code < 0 else f"msrun ended with code {code}"
    rank = _culprit(logs / "scheduler.log")
    files = sorted(logs.glob("worker_*.log"), key=lambda path: path.stat().st_mtime)
    if rank is not None and (logs / f"worker_{rank}.log").is_file():
        files.insert(0, logs / f"worker_{rank}.log")
    for path in files:
        said = _last_error(_tail(path))
        if said is not None:
            return _failure(f"{ended}; {path.name}: {said}", said, logs)
    first = "" if rank is None else f"; worker {rank} is the first one that timed out"
    return WorkerFailure(f"{ended}{first}", hint=f"read the logs in {logs}")


def _failure(message: str, said: str, logs: Path) -> WorkerFailure:
    if isinstance(as_failure(RuntimeError(said)), OutOfMemory) or "EL0004" in said:
        return OutOfMemory(
            message, hint="smaller parallel.micro_batches' share, recompute, or more NPUs for a model"
        )
    if _NAN.search(said):
        return NumericError(message, hint="lower schedule.max or look at the batch")
    return WorkerFailure(message, hint=f"codes stand in docs/ascend.md; logs are in {logs}")


def _last_error(text: str) -> str | None:
    """The last line with a code of CANN, else the last line of an exception, at most 500 characters."""
    lines = text.splitlines()
    for pattern in (_CODE, _ERROR):
        for line in reversed(lines):
            if pattern.search(line.strip()):
                return line.strip()[:500]
    return None


def _culprit(path: Path) -> int | None:
    found = _CULPRIT.findall(_tail(path)) if path.is_file() else []
    return int(found[0]) if found else None


def _tail(path: Path) -> str:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _TAIL_BYTES))
        return file.read().decode("utf-8", errors="replace")
