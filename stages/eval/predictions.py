"""Prediction files in LegalKit's forms: written by us, and read for offline evaluation."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages._worker.failures import DataError
from stages._worker.jsonl import write_json

_EVERY_TASK = ""  # name for predictions that serve every task


@dataclass(frozen=True, kw_only=True, slots=True)
class Prediction:
    """What a model said to one item."""

    id: int
    prompt: str
    prediction: str
    gold: str


def write_predictions(folder: Path, task: str, predictions: list[Prediction]) -> None:
    """`<folder>/predict/<task>/<task>_0.json`, as worker 0 of LegalKit leaves it."""
    rows = [
        {"id": item.id, "prompt": item.prompt, "prediction": item.prediction, "gold": item.gold}
        for item in predictions
    ]
    write_json(folder / "predict" / task / f"{task}_0.json", rows)


def read_predictions(path: Path) -> dict[str, dict[int, str]]:
    """Predictions by task and item id out of any JSON form LegalKit takes; an empty task name serves every task.

    Forms: a list of {id, prediction}; {id: text or {prediction}}; {task: list or map}; {"tasks": {…}};
    {"task", "predictions"}. Of one id the last entry counts.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: no JSON file of predictions ({error})") from error
    if isinstance(value, list):
        return {_EVERY_TASK: _entries(value, path)}
    if not isinstance(value, dict):
        raise DataError(f"{path}: expected a list or an object, saw {type(value).__name__}")
    if isinstance(value.get("tasks"), dict):
        return {str(task): _entries(entries, path) for task, entries in value["tasks"].items()}
    if "task" in value and "predictions" in value:
        return {str(value["task"]): _entries(value["predictions"], path)}
    if all(_is_row_id(key) and _is_row(row) for key, row in value.items()):
        return {_EVERY_TASK: _entries(value, path)}
    return {str(task): _entries(entries, path) for task, entries in value.items()}


def _entries(value: Any, path: Path) -> dict[int, str]:
    if isinstance(value, list):
        pairs = [(row.get("id"), row) if isinstance(row, dict) else (None, row) for row in value]
    elif isinstance(value, dict):
        pairs = [(row.get("id", key) if isinstance(row, dict) else key, row) for key, row in value.items()]
    else:
        raise DataError(f"{path}: predictions must be a list or an object, saw {type(value).__name__}")
    found = {}
    for row_id, row in pairs:
        text = row.get("prediction") if isinstance(row, dict) else row
        if not _is_row_id(row_id) or not (text is None or isinstance(text, str)):
            raise DataError(
                f"{path}: expected {{id, prediction}} with a whole number and a text, saw {row!r:.120}"
            )
        # LegalKit dies on null; an absent answer is what it says.
        found[int(row_id)] = text or ""
    return found


def _is_row(value: Any) -> bool:
    return isinstance(value, str) or (isinstance(value, dict) and "prediction" in value)


def _is_row_id(value: Any) -> bool:
    try:
        int(value)
    except (TypeError, ValueError):
        return False
    return not isinstance(value, bool)
