"""Traces that need no judge to be dropped: cut off, incomplete, too long, said before."""

from __future__ import annotations

import re
from typing import Any

_TAGS = ("<think>", "</think>", "<|im_end|>")
_NOT_WORDS = re.compile(r"[\W_]+")


class Heuristics:
    """Looks at one refined row after the other; remembers them for duplicates."""

    def __init__(self, tasks: dict[str, Any], slack: float) -> None:
        self._tasks = tasks
        self._slack = slack
        self._seen: set[tuple[str, str, str]] = set()

    def refuse(self, row: dict[str, Any]) -> str | None:
        """Why a row is dropped, or None and it is remembered."""
        task = self._tasks[row["task"]]
        if any(flag.startswith("truncated") for flag in row["flags"]):
            return "truncated"
        if not row["think"] or not row["answer"] or any(tag in row["think"] + row["answer"] for tag in _TAGS):
            return "incomplete"
        if task["ends_with"] and not row["think"].endswith(tuple(task["ends_with"])):
            return "truncated"
        for part in ("think", "answer"):
            if len(row[part]) > task[f"{part}_characters"] * (1 + self._slack):
                return "overlong"
        key = (_plain(row["question"]), _plain(row["think"]), _plain(row["answer"]))
        if key in self._seen:
            return "duplicate"
        self._seen.add(key)
        return None


def _plain(text: str) -> str:
    return _NOT_WORDS.sub("", text)
