"""Items of LexEval and JEC-QA files, read the way LegalKit reads them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from stages._worker.failures import DataError

FileForm = Literal["lexeval", "jecqa"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Item:
    """One question. `question` is LexEval's `input`, or JEC-QA's `statement` and `option_list` in two lines."""

    id: int  # row number in the file, from 0
    instruction: str
    question: str
    answer: str
    source: str = ""  # where it comes from, for the reader of the report


def task_paths(folder: Path, form: str, *, only: list[str]) -> dict[str, Path]:
    """Files of a folder by task, `<task>.json` or `.jsonl`, in order of name; `only` names those to take (all when empty)."""
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder of {form} files")
    paths = {path.stem: path for path in sorted(folder.iterdir()) if path.suffix in (".json", ".jsonl")}
    missing = [name for name in only if name not in paths]
    if missing:
        raise DataError(f"{folder}: no file for {', '.join(missing)}; there are {', '.join(paths) or 'none'}")
    return {name: path for name, path in paths.items() if not only or name in only}


def read_items(path: Path, form: str, *, first: int | None = None) -> list[Item]:
    """Items of one file (JSON lines or one array), or its first ones; an item's id is its row, from 0."""
    return [_item(path, number, row, form) for number, row in enumerate(_rows(path, first))]


def _rows(path: Path, first: int | None) -> list[Any]:
    with path.open(encoding="utf-8-sig") as file:
        # Of lines no more than asked for are read; an array can only be read whole.
        head = next((line for line in file if line.strip()), "")
        file.seek(0)
        if head.lstrip().startswith("["):
            try:
                return json.loads(file.read())[:first]
            except ValueError as error:
                raise DataError(f"{path}: starts as a JSON array, but {error}") from error
        return list(islice(_lines(path, file), first))


def _lines(path: Path, file: Iterable[str]) -> Iterator[Any]:
    for number, line in enumerate(file, start=1):
        if not line.strip():
            continue
        try:
            yield json.loads(line)
        except ValueError as error:
            raise DataError(f"{path}:{number}: not JSON ({error})") from error


def _item(path: Path, number: int, row: Any, form: str) -> Item:
    if not isinstance(row, dict):
        raise DataError(f"{path}: item {number} is no object")
    fields = ("input",) if form == "lexeval" else ("statement", "option_list")
    absent = [name for name in (*fields, "answer") if not isinstance(row.get(name), str)]
    if absent:
        raise DataError(f"{path}: item {number} needs the texts {', '.join(absent)}; it has {', '.join(row)}")
    return Item(
        id=number,
        instruction=row.get("instruction", ""),
        question="\n".join(row[name] for name in fields),
        answer=row["answer"],
        source=path.name,
    )
