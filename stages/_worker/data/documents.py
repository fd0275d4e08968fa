"""Documents of a corpus artifact: documents/<split>/<group>.jsonl."""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from stages._worker import jsonl
from stages._worker.failures import DataError

SPLITS = ("base", "train", "heldout")
GROUPS = ("general", "legal", "synthetic")


def groups_of(corpus: Path, split: str) -> list[str]:
    """Groups that a split has, in the order of GROUPS."""
    return [group for group in GROUPS if _path(corpus, split, group).is_file()]


def read_documents(corpus: Path, split: str, group: str) -> Iterator[dict[str, Any]]:
    """Documents of one group in the order of the corpus; each has at least `id` and `text`."""
    path = _path(corpus, split, group)
    for number, document in enumerate(jsonl.read(path), start=1):
        for key in ("id", "text"):
            if not isinstance(document.get(key), str):
                raise DataError(f"{path}:{number}: expected a text in '{key}', saw {document.get(key)!r}")
        yield document


def chosen_documents(corpus: Path, split: str, group: str, *, count: int, seed: int) -> list[dict[str, Any]]:
    """At most `count` documents: those whose hash of (seed, id) is smallest, so that the choice is stable."""
    return heapq.nsmallest(
        count,
        read_documents(corpus, split, group),
        key=lambda item: hashlib.sha256(f"{seed}:{item['id']}".encode()).digest(),
    )


def _path(corpus: Path, split: str, group: str) -> Path:
    if split not in SPLITS or group not in GROUPS:
        raise ValueError(f"no split '{split}' or group '{group}'")
    return corpus / "documents" / split / f"{group}.jsonl"
