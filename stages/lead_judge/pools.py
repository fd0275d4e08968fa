"""Pools for RL: the prompts that passed, spare ones in the place of those that did not."""

from __future__ import annotations

from typing import Any

from stages._worker.failures import DataError


def trim_pools(tasks: dict[str, Any], samples: list[dict[str, Any]]) -> list[str]:
    """Leaves the first `size` samples in every pool; a sentence for each pool that stays smaller.

    DataError for a pool of which nothing passed: RL would have nothing to repeat.
    """
    short = []
    for name, task in tasks.items():
        if task["pool"] is None:
            continue
        pool, size = task["pool"]["name"], task["pool"]["size"]
        mine = [sample for sample in samples if sample["pool"] == pool]
        if not mine:
            raise DataError(
                f"task {name}: no prompt of the pool {pool} passed quality control",
                hint="look at quality.lowest and the replies of the judge in responses.jsonl",
            )
        if len(mine) < size:
            short.append(
                f"{len(mine)} of {size} prompts of the pool {pool} passed; pool.spare of {name} was too small"
            )
        for sample in mine[size:]:
            sample["pool"] = None
    return short
