"""Documents of a corpus: documents/<split>/<group>.jsonl, in one folder or in several that are read as one."""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from stages._worker import jsonl
from stages._worker.failures import DataError

SPLITS = ("base", "train", "heldout")
GROUPS = ("general", "legal", "synthetic")

Corpus = Path | Sequence[Path]
"""Folder of a corpus, or several: a group's documents are those of the first folder, then of the next."""


def groups_of(corpus: Corpus, split: str) -> list[str]:
    """Groups that a split has, in the order of GROUPS."""
    return [group for group in GROUPS if documents_files(corpus, split, group)]


def read_documents(corpus: Corpus, split: str, group: str) -> Iterator[dict[str, Any]]:
    """Documents of one group in the order of the corpus; each has at least `id` and `text`."""
    files = documents_files(corpus, split, group)
    if not files:
        raise DataError(f"{corpus}: no documents/{split}/{group}.jsonl")
    for path in files:
        for number, document in enumerate(jsonl.read(path), start=1):
            for key in ("id", "text"):
                if not isinstance(document.get(key), str):
                    raise DataError(f"{path}:{number}: expected a text in '{key}', saw {document.get(key)!r}")
            yield document


def chosen_documents(
    corpus: Corpus, split: str, group: str, *, count: int, seed: int
) -> list[dict[str, Any]]:
    """At most `count` documents: those whose hash of (seed, id) is smallest, so that the choice is stable."""
    return heapq.nsmallest(
        count,
        read_documents(corpus, split, group),
        key=lambda item: hashlib.sha256(f"{seed}:{item['id']}".encode()).digest(),
    )


def documents_file(corpus: Path, split: str, group: str) -> Path:
    """Where the documents of a split and group lie in a corpus."""
    if split not in SPLITS or group not in GROUPS:
        raise ValueError(f"no split '{split}' or group '{group}'")
    return corpus / "documents" / split / f"{group}.jsonl"


def documents_files(corpus: Corpus, split: str, group: str) -> list[Path]:
    """The files of a split and group, in the order they are read; none where the group is not there."""
    folders = [corpus] if isinstance(corpus, Path) else corpus
    files = [documents_file(folder, split, group) for folder in folders]
    return [file for file in files if file.is_file()]
