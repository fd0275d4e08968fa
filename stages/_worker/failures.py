"""Every way a worker can end, with its reason and exit code."""

from __future__ import annotations

import errno
import re


class WorkerFailure(Exception):
    """Base of the failures a stage raises on purpose. `hint` says what the user can do next."""

    reason = "crashed"
    exit_code = 70

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


class UserError(WorkerFailure):
    """The job or its `with` asks for something that cannot be done."""

    reason = "user_error"
    exit_code = 64


class DataError(WorkerFailure):
    """An input is missing, broken or holds something else than it says."""

    reason = "data_error"
    exit_code = 65


class ResumeRefused(WorkerFailure):
    """A checkpoint does not belong to this job: another order, batch, position or shape."""

    reason = "resume_refused"
    exit_code = 3


class EndpointUnavailable(WorkerFailure):
    """A teacher, judge or generation server does not answer; nothing is wrong with the job."""

    reason = "endpoint_unavailable"
    exit_code = 69


class DiskFull(WorkerFailure):
    """The file system of the attempt or its outputs has no room."""

    reason = "disk_full"
    exit_code = 74


class NumericError(WorkerFailure):
    """A loss, gradient or metric is no finite number."""

    reason = "nan_loss"
    exit_code = 76


class Killed(WorkerFailure):
    """A process that the worker started was ended by a signal which nobody here sent."""

    reason = "killed"
    exit_code = 71


class OutOfMemory(WorkerFailure):
    """The host or the device has no memory left for this job."""

    reason = "out_of_memory"
    exit_code = 77


class Stopped(WorkerFailure):
    """The worker left after SIGTERM, with its position saved."""

    reason = "stopped"
    exit_code = 75


# What MindSpore, CANN and the C++ below them say when an allocation fails; it comes as a RuntimeError.
_NO_MEMORY = re.compile(
    r"memory not enough|memory isn't enough|not enough memory|out of memory|cannot allocate memory|bad_alloc"
    r"|(malloc|alloc\w*)( \w+)* failed",
    re.IGNORECASE,
)


def as_failure(error: BaseException) -> WorkerFailure:
    """The failure that `error` stands for; what nobody foresaw is `crashed`, a bug of ours."""
    if isinstance(error, WorkerFailure):
        return error
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFull(f"no space left: {error}", hint="free disk space, then `legalone resume`")
    if isinstance(error, MemoryError) or (
        isinstance(error, (OSError, RuntimeError)) and _NO_MEMORY.search(str(error))
    ):
        return OutOfMemory(
            f"out of memory: {str(error)[:500]}", hint="use a smaller batch or sequence length"
        )
    return WorkerFailure(f"{type(error).__name__}: {error}")
