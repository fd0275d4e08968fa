"""Samples artifacts: samples.jsonl and general.jsonl, written by one stage or by the shards of one.

A shard adds to report.json `shard`, `shards` and `tasks` (each with its `pool`, or null), and to every row its
`place`. What only the whole can decide is left to the reader: the order, who fills the pools, and whether a task
came through at all.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from stages._worker import jsonl
from stages._worker.failures import DataError

SAMPLES, GENERAL, REPORT = "samples.jsonl", "general.jsonl", "report.json"


def read_samples(
    folders: Sequence[Path], warn: Callable[[str], None] = lambda sentence: None
) -> list[dict[str, Any]]:
    """Samples of one or several artifacts. `warn` hears of pools that are smaller than they should be."""
    samples = []
    for parts in _sets(folders):
        rows = _joined(parts, SAMPLES)
        if len(parts) > 1 or "shards" in _report(parts[0]):
            tasks = _report(parts[0])["tasks"]
            for sentence in trim_pools(tasks, rows):
                warn(sentence)
            check_tasks(tasks, rows)
        samples += rows
    _check_ids(samples)
    return samples


def read_general(folders: Sequence[Path]) -> list[dict[str, Any]]:
    """General instructions of the artifacts that have any."""
    return [row for parts in _sets(folders) for row in _joined(parts, GENERAL)]


def trim_pools(tasks: dict[str, Any], samples: list[dict[str, Any]]) -> list[str]:
    """Leaves the first `size` samples in every pool: spare prompts stand in for those that did not pass.

    A sentence for each pool that stays smaller; DataError for one of which nothing passed: RL would have nothing
    to repeat.
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


def check_tasks(tasks: dict[str, Any], samples: list[dict[str, Any]]) -> None:
    """DataError for a task without a training sample."""
    there = {sample["task"] for sample in samples if sample["split"] == "train"}
    for name in tasks:
        if name not in there:
            raise DataError(
                f"task {name}: no sample passed",
                hint="look at quality.lowest, and at dropped and mean_marks in report.json",
            )


def _sets(folders: Sequence[Path]) -> list[list[Path]]:
    """The folders by the stage that made them: one, or its shards in order."""
    sets: list[list[Path]] = []
    left = list(folders)
    while left:
        of = _report(left[0]).get("shards", 1)
        parts, left = left[:of], left[of:]
        seen = [_report(part).get("shard", 0) for part in parts]
        if seen != list(range(of)):
            raise DataError(f"{parts[0]}: expected the samples of {of} shards in order, saw shards {seen}")
        sets.append(parts)
    return sets


def _joined(parts: list[Path], name: str) -> list[dict[str, Any]]:
    rows = [row for part in parts if (part / name).is_file() for row in jsonl.read(part / name)]
    if "shards" in _report(parts[0]):
        rows.sort(key=lambda row: row["place"])
        for row in rows:
            del row["place"]
    return rows


def _report(folder: Path) -> dict[str, Any]:
    path = folder / REPORT
    if not path.is_file():
        return {}
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise DataError(f"{path}: no report of samples ({error})") from error


def _check_ids(samples: list[dict[str, Any]]) -> None:
    seen: set[Any] = set()
    for sample in samples:
        if sample.get("id") in seen and sample.get("id"):
            raise DataError(f"the sample {sample['id']} comes twice; do two stages make the same samples?")
        seen.add(sample.get("id"))
