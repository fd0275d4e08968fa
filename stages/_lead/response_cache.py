"""Replies already paid for: a file of the attempt, read again by the attempts after it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

FILE = "responses.jsonl"


class ResponseCache:
    """Replies by the hash of their request. Every reply is on its way to the disk when `put` returns."""

    def __init__(self, path: Path, earlier: list[Path]) -> None:
        self._replies: dict[str, dict[str, Any]] = {}
        self._load(path)
        self._own = set(self._replies)
        for file in earlier:
            self._load(file)
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("a", encoding="utf-8")
        if _is_torn(path):
            self._file.write("\n")

    def __len__(self) -> int:
        return len(self._replies)

    def get(self, key: str) -> dict[str, Any] | None:
        """The reply to a request, or None."""
        reply = self._replies.get(key)
        if reply is not None and key not in self._own:
            self.put(key, reply)  # so that this attempt's file alone is enough for the next
        return reply

    def put(self, key: str, reply: dict[str, Any]) -> None:
        """Keeps a reply that was checked."""
        self._replies[key] = reply
        self._own.add(key)
        self._file.write(json.dumps({"key": key, **reply}, ensure_ascii=False) + "\n")
        self._file.flush()

    def close(self) -> None:
        """Closes the file."""
        self._file.close()

    def _load(self, path: Path) -> None:
        if not path.is_file():
            return
        with path.open("rb") as lines:
            for line in lines:
                try:
                    reply = json.loads(line)
                    self._replies.setdefault(reply.pop("key"), reply)
                except (ValueError, KeyError):
                    continue  # the torn last line of a killed attempt


def _is_torn(path: Path) -> bool:
    with path.open("rb") as file:
        if file.seek(0, 2) == 0:
            return False
        file.seek(-1, 2)
        return file.read() != b"\n"


def request_key(model: str, revision: str, body: dict[str, Any]) -> str:
    """SHA-256 of what decides a reply: model, revision and the body of the request."""
    text = json.dumps([model, revision, body], ensure_ascii=False, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
