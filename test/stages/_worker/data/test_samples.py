"""Samples of shards, read as the samples of one stage."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from stages._worker import jsonl
from stages._worker.data.samples import read_general, read_samples
from stages._worker.failures import DataError

TASKS = {"t": {"pool": {"name": "p", "size": 2}}}


def sample(number: int, **fields: Any) -> dict[str, Any]:
    return {"id": f"s{number}", "task": "t", "split": "train", "pool": None, **fields}


def shards_of(root: Path, rows: list[dict[str, Any]], count: int, **report: Any) -> list[Path]:
    """The rows dealt out by place, as lead-judge does."""
    folders = []
    for shard in range(count):
        folder = root / str(shard)
        mine = [{**row, "place": place} for place, row in enumerate(rows) if place % count == shard]
        jsonl.write(folder / "samples.jsonl", mine)
        jsonl.write(folder / "general.jsonl", [{"id": f"g{shard}", "place": count - shard}])
        told = {"shard": shard, "shards": count, "tasks": TASKS, **report}
        jsonl.write_json(folder / "report.json", told)
        folders.append(folder)
    return folders


def test_the_order_is_that_of_the_whole_and_pools_are_filled_over_all_shards(tmp_path: Path) -> None:
    rows = [sample(0), *(sample(n, pool="p") for n in range(1, 5)), sample(5, split="heldout")]
    told: list[str] = []
    read = read_samples(shards_of(tmp_path, rows, 3), told.append)
    assert [row["id"] for row in read] == ["s0", "s1", "s2", "s3", "s4", "s5"]
    assert [row["pool"] for row in read] == [None, "p", "p", None, None, None]
    assert not any("place" in row for row in read) and told == []
    assert [row["id"] for row in read_general([tmp_path / str(n) for n in range(3)])] == ["g2", "g1", "g0"]


def test_a_pool_that_stays_small_is_told(tmp_path: Path) -> None:
    told: list[str] = []
    read_samples(shards_of(tmp_path, [sample(0), sample(1, pool="p")], 2), told.append)
    assert told == ["1 of 2 prompts of the pool p passed; pool.spare of t was too small"]


def test_what_only_the_whole_shows_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no prompt of the pool p passed"):
        read_samples(shards_of(tmp_path / "pool", [sample(0), sample(1)], 2))
    held = [sample(n, split="heldout", pool="p") for n in range(2)]
    with pytest.raises(DataError, match="task t: no sample passed"):
        read_samples(shards_of(tmp_path / "train", held, 2))


def test_a_missing_shard_and_shards_out_of_order_are_refused(tmp_path: Path) -> None:
    folders = shards_of(tmp_path, [sample(n, pool="p") for n in range(4)], 3)
    with pytest.raises(DataError, match=r"samples of 3 shards in order, saw shards \[0, 1\]"):
        read_samples(folders[:2])
    with pytest.raises(DataError, match=r"saw shards \[1, 0, 2\]"):
        read_samples([folders[1], folders[0], folders[2]])


def test_several_stages_are_read_one_after_the_other(tmp_path: Path) -> None:
    split = shards_of(tmp_path / "split", [sample(n, pool="p") for n in range(2)], 2)
    whole = tmp_path / "whole"
    jsonl.write(whole / "samples.jsonl", [sample(8)])
    assert [row["id"] for row in read_samples([whole, *split])] == ["s8", "s0", "s1"]
    with pytest.raises(DataError, match="s8 comes twice"):
        read_samples([whole, whole])
