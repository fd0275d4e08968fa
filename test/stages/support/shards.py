"""The same stage in one part and in shards, as processes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from support.jobs import make_job, result_of, run_stage, stderr_of


def run_shards(kind: str, folder: Path, count: int, **fields: Any) -> list[dict[str, Any]]:
    """Runs every shard to its end, one after the other; their jobs, in order."""
    jobs = []
    for shard in range(count):
        job = make_job(kind, folder / str(shard), **fields, shard=shard, shards=count)
        assert run_stage(job) == 0, stderr_of(job)
        jobs.append(job)
    return jobs


def outputs_of(jobs: list[dict[str, Any]], kind: str) -> list[Path]:
    """The artifact of a kind of every shard."""
    return [Path(job["output"]) / kind for job in jobs]


def summed(jobs: list[dict[str, Any]], metric: str) -> float:
    """A count over all shards."""
    return sum(result_of(job)["metrics"][metric] for job in jobs)
