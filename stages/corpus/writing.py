"""The files of a corpus, documents/<split>/<group>.jsonl, and how much is in them."""

from __future__ import annotations

import json
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import TextIO

from stages.corpus.document import Document
from stages.corpus.rules.splits import SPLITS


class DocumentFiles:
    """Open files of every split and group that has documents, for as long as the context lasts."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[tuple[str, str], TextIO] = {}
        self._counts: dict[tuple[str, str], Counter[str]] = {}
        self._stack = ExitStack()

    def __enter__(self) -> DocumentFiles:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def write(self, split: str, document: Document) -> None:
        """Appends a document to the file of its split and group."""
        key = (split, document.group)
        if key not in self._files:
            path = self._folder / split / f"{document.group}.jsonl"
            path.parent.mkdir(parents=True, exist_ok=True)
            self._files[key] = self._stack.enter_context(path.open("w", encoding="utf-8"))
            self._counts[key] = Counter()
        self._files[key].write(json.dumps(document.as_row(), ensure_ascii=False) + "\n")
        self._counts[key].update(documents=1, characters=len(document.text))

    def counts(self) -> dict[str, dict[str, dict[str, int]]]:
        """Documents and characters by split and group."""
        return {
            split: {
                group: dict(count) for (where, group), count in sorted(self._counts.items()) if where == split
            }
            for split in SPLITS
        }
