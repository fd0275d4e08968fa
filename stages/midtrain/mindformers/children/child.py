"""Programs that the stage starts: they die with it, end when it has to stop, and what they say is kept and passed on."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from stages._worker.failures import Stopped
from stages._worker.worker import Worker
from stages.midtrain.mindformers.children.tailed_log import TailedLog

LAUNCH = Path(__file__).with_name("with_parent.py")
NO_PROGRAM = 127
"""Exit code of a command that could not be started; its log says why."""
POLL_SECONDS = 0.2
GRACE_SECONDS = 10.0
"""After SIGTERM, until a child is killed."""


@contextlib.contextmanager
def child(
    command: Sequence[str],
    *,
    log: Path,
    env: Mapping[str, str] | None = None,
    grace: float = GRACE_SECONDS,
) -> Iterator[subprocess.Popen[bytes]]:
    """The running command, with both outputs in the file `log`; whatever happens, it has ended afterwards.

    `env` is added to the environment of the stage. The child stays in the process group of the stage, so that who
    kills the stage's group kills it too.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, str(LAUNCH), str(os.getpid()), *command],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(env or {})},
        )
    try:
        yield process
    finally:
        _stop(process, grace)


def run_child(
    worker: Worker,
    command: Sequence[str],
    *,
    log: Path,
    what: str,
    env: Mapping[str, str] | None = None,
    poll: float = POLL_SECONDS,
    grace: float = GRACE_SECONDS,
) -> int:
    """Runs a command to its end and returns its exit code, below 0 for a signal. Its lines go to `log` and on to the
    output of the stage. Raises Stopped after SIGTERM; `what` says in it what was left."""
    tail = TailedLog(log)
    with child(command, log=log, env=env, grace=grace) as process:
        while process.poll() is None and not worker.wait(poll):
            _pass_on(tail)
    _pass_on(tail)
    if worker.stopping:
        raise Stopped(f"stopped by SIGTERM during {what}")
    return process.returncode


def _pass_on(tail: TailedLog) -> None:
    for line in tail.lines():
        print(line, flush=True)


def _stop(process: subprocess.Popen[bytes], grace: float) -> None:
    """SIGTERM, then SIGKILL after `grace` seconds."""
    if process.poll() is not None:
        return
    process.terminate()
    deadline = time.monotonic() + grace
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=0.2)
    if process.poll() is None:
        process.kill()
        process.wait()
