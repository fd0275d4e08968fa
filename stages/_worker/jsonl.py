"""JSON Lines: one JSON object a line, UTF-8."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from stages._worker.failures import DataError


def read(path: Path) -> Iterator[dict[str, Any]]:
    """Objects of `path` in order. Files we wrote ourselves: a broken line is a DataError, with its number."""
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    with path.open("r", encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                value = json.loads(line)
            except ValueError as error:
                raise DataError(f"{path}:{number}: not JSON ({error})") from error
            if not isinstance(value, dict):
                raise DataError(f"{path}:{number}: expected an object, saw {type(value).__name__}")
            yield value


def write(path: Path, rows: Iterable[dict[str, Any]]) -> int:
    """Writes `rows` to `path`, whole or not at all; returns how many."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".tmp")
    count = 0
    with temporary.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n")
            count += 1
    temporary.replace(path)
    return count


def write_json(path: Path, value: Any) -> None:
    """Writes one JSON document, readable, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".tmp")
    text = json.dumps(value, ensure_ascii=False, indent=2, allow_nan=False)
    temporary.write_text(text + "\n", encoding="utf-8")
    temporary.replace(path)
