"""The first items of LexEval and JEC-QA files, as the stages that read them will see them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from stages._early.problem import Problem
from stages._worker.data.task_items import read_items, task_paths
from stages._worker.failures import DataError
from stages._worker.locations import resolve_data

_ITEMS = 64


def look_at_task_files(files: dict[str, Any]) -> Iterator[Problem]:
    """The problems of an entry of `files` in a suite of configs/eval: {form, folder, tasks}."""
    folder = resolve_data(files["folder"])
    if not folder.is_dir():
        yield Problem(
            message=f"no folder {files['folder']} of {files['form']} files", address=files["folder"]
        )
        return
    for path in task_paths(folder, files["form"], only=files["tasks"]).values():
        yield from _look_at_file(path, files["form"])


def _look_at_file(path: Path, form: str) -> Iterator[Problem]:
    try:
        items = read_items(path, form, first=_ITEMS)
    except DataError as error:
        yield Problem(message=str(error), hint=error.hint)
    except UnicodeDecodeError as error:
        yield Problem(
            message=f"{path}: byte {error.start} is no UTF-8",
            expected="JSON Lines or one JSON array, in UTF-8",
        )
    except OSError as error:
        yield Problem(message=f"{path} cannot be read: {error.strerror}")
    else:
        if not items:
            yield Problem(message=f"{path} has no item")
