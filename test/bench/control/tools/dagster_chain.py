"""Dagster: a job of empty ops, each after the one before. `dagster_chain.py MODE STEPS SUBMITS`.

MODE is multiprocess (a process for each op) or in_process. State is Dagster's own: an instance with SQLite and files.
"""

from __future__ import annotations

import os
import sys
import time

FROM = time.monotonic()

import dagster  # noqa: E402
from dagster import DagsterInstance, JobDefinition, execute_job, graph, op, reconstructable  # noqa: E402

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import marks  # noqa: E402


def long_job() -> JobDefinition:
    """The chain; its number of ops stands in BENCH_STEPS, since every process builds it anew."""
    return _job(int(os.environ["BENCH_STEPS"]))


def short_job() -> JobDefinition:
    """A single op."""
    return _job(1)


def _job(steps: int) -> JobDefinition:
    mode = os.environ["BENCH_MODE"]
    ops = [_op(index) for index in range(steps)]

    @graph
    def chain() -> None:
        token = ops[0]()
        for later in ops[1:]:
            token = later(token)

    executors = {"multiprocess": dagster.multiprocess_executor, "in_process": dagster.in_process_executor}
    return chain.to_job(executor_def=executors[mode])


def _op(index: int) -> dagster.OpDefinition:
    ins = {} if index == 0 else {"token": dagster.In(int)}

    # Dagster wants `context` without a type, or with one that is no text.
    @op(name=f"s{index}", ins=ins, out=dagster.Out(int))
    def body(context, **_: int) -> int:
        marks.step(context.run_id, index)
        return index

    return body


def main() -> None:
    """One chain of all ops, and short ones for the time to start."""
    mode, steps, submits = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    os.environ.update(BENCH_MODE=mode, BENCH_STEPS=str(steps))
    with open(os.path.join(os.environ["DAGSTER_HOME"], "dagster.yaml"), "w", encoding="utf-8") as file:
        file.write("telemetry: {enabled: false}\n")
    submitted: dict[str, int] = {}
    with DagsterInstance.get() as instance:
        cold = (time.monotonic() - FROM) * 1000
        for build in [long_job] + [short_job] * (submits - 1):
            at = time.monotonic_ns()
            done = execute_job(reconstructable(build), instance=instance)
            if not done.success:
                raise SystemExit(f"Dagster: run {done.run_id} failed")
            submitted[done.run_id] = at
    marks.report(f"dagster {mode}", dagster.__version__, cold, submitted)


if __name__ == "__main__":
    main()
