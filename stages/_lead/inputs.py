"""Rows of an input that may come in shards, and the documents of a corpus."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from stages._worker import jsonl
from stages._worker.failures import DataError
from stages._worker.job import Job


def rows_of(job: Job, kind: str) -> list[dict[str, Any]]:
    """Rows of all artifacts of a kind, in the order of the inputs; an id that comes twice is a DataError."""
    rows = [row for folder in job.input_folders(kind) for row in jsonl.read(folder / f"{kind}.jsonl")]
    if not rows:
        raise DataError(f"input {kind}: no rows")
    seen: set[str] = set()
    for row in rows:
        if row["id"] in seen:
            raise DataError(f"input {kind}: the id {row['id']} comes twice; are two inputs the same shard?")
        seen.add(row["id"])
    return rows


def own_share(job: Job, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows of this shard: every `shards`-th."""
    return rows[job.shard :: job.shards]


def documents_of(job: Job, split: str, group: str = "legal") -> Iterator[dict[str, Any]]:
    """Documents of one split and group of the corpus."""
    yield from jsonl.read(job.input("corpus") / "documents" / split / f"{group}.jsonl")
