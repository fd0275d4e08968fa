"""Pools for RL: the prompts that passed, spare ones in the place of those that did not."""

from __future__ import annotations

from typing import Any

from stages._worker.failures import DataError


def trim_pools(tasks: dict[str, Any], samples: list[dict[str, Any]]) -> None:
    """Leaves the first `size` samples in every pool; DataError when fewer passed."""
    for name, task in tasks.items():
        if task["pool"] is None:
            continue
        pool, size = task["pool"]["name"], task["pool"]["size"]
        mine = [sample for sample in samples if sample["pool"] == pool]
        if len(mine) < size:
            raise DataError(
                f"task {name}: {len(mine)} prompts of the pool {pool} passed, {size} are needed",
                hint="raise pool.spare of the task, or look at the marks of the judge in report.json",
            )
        for sample in mine[size:]:
            sample["pool"] = None
