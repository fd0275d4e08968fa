"""Prefect: a flow of empty tasks, each after the one before. `prefect_chain.py MODE STEPS SUBMITS`.

MODE is processes (tasks in a pool of processes) or in_process (called one after another). State is Prefect's own: its
local server with SQLite, results kept.
"""

from __future__ import annotations

import os
import sys
import time

FROM = time.monotonic()

import prefect  # noqa: E402
from prefect import flow, task  # noqa: E402

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import marks  # noqa: E402


@task
def step(chain: str, index: int, token: int | None = None) -> int:
    """An empty step."""
    marks.step(chain, index)
    return index


@flow
def in_process(chain: str, steps: int) -> None:
    """Tasks called in the flow's own thread."""
    token = None
    for index in range(steps):
        token = step(chain, index, token)


def processes() -> prefect.Flow:
    """Tasks handed to a pool of two processes, which stay for the length of a flow run."""
    from prefect.task_runners import ProcessPoolTaskRunner

    @flow(task_runner=ProcessPoolTaskRunner(max_workers=2))
    def in_processes(chain: str, steps: int) -> None:
        token = None
        for index in range(steps):
            token = step.submit(chain, index, token)
        token.result()

    return in_processes


def main() -> None:
    """A first chain of two tasks starts the server; then the chain of all, and short ones for the time to start."""
    mode, steps, submits = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    chain = in_process if mode == "in_process" else processes()
    chain("warm", 1)
    cold = (time.monotonic() - FROM) * 1000
    os.remove(os.environ[marks.FILE])
    submitted: dict[str, int] = {}
    for number, count in enumerate([steps] + [1] * (submits - 1)):
        submitted[f"c{number}"] = time.monotonic_ns()
        chain(f"c{number}", count)
    marks.report(f"prefect {mode}", prefect.__version__, cold, submitted)


if __name__ == "__main__":
    main()
