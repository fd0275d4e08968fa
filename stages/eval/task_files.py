"""Reading LexEval and JEC-QA files, the way LegalKit reads them."""

import json
from pathlib import Path
from typing import Any

from stages._worker.failures import DataError
from stages.eval.task import Form, Item, Task, scoring_of


def load_tasks(
    folder: Path, form: Form, *, only: list[str], limit: int | None, few_shot: Path | None
) -> list[Task]:
    """Tasks of a folder, one a file `<task>.json` or `.jsonl` (JSON lines or one array), in order of name.

    `only` names tasks to take (all when empty), `limit` takes the first items of each.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder of {form} files")
    paths = {path.stem: path for path in sorted(folder.iterdir()) if path.suffix in (".json", ".jsonl")}
    missing = [name for name in only if name not in paths]
    if missing:
        raise DataError(f"{folder}: no file for {', '.join(missing)}; there are {', '.join(paths) or 'none'}")
    return [
        Task(
            id=name,
            form=form,
            scoring=scoring_of(form, name),
            items=tuple(read_items(path, form)[:limit]),
            examples=tuple(_examples(few_shot, name, form)),
        )
        for name, path in paths.items()
        if not only or name in only
    ]


def read_items(path: Path, form: Form) -> list[Item]:
    """Items of one file; an item's id is its row, from 0."""
    return [_item(path, number, row, form) for number, row in enumerate(_rows(path))]


def _rows(path: Path) -> list[Any]:
    text = path.read_text(encoding="utf-8-sig")
    if text.lstrip().startswith("["):
        try:
            return json.loads(text)
        except ValueError as error:
            raise DataError(f"{path}: starts as a JSON array, but {error}") from error
    rows = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            rows.append(json.loads(line))
        except ValueError as error:
            raise DataError(f"{path}:{number}: not JSON ({error})") from error
    return rows


def _item(path: Path, number: int, row: Any, form: Form) -> Item:
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


def _examples(folder: Path | None, name: str, form: Form) -> list[Item]:
    if folder is None:
        return []
    found = [folder / f"{name}{suffix}" for suffix in (".jsonl", ".json")]
    return next((read_items(path, form) for path in found if path.is_file()), [])
