"""What an evaluation can be refused for before a model is there: the files of its suite, and predictions made elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from stages._early.problem import Problem
from stages._early.task_files import look_at_task_files
from stages._worker.config_form import complete_config
from stages._worker.failures import DataError
from stages._worker.locations import resolve_data
from stages.eval.predictions import read_predictions


def look(options: dict[str, Any]) -> Iterator[Problem]:
    """The problems of all files that the suite and the options name."""
    for files in complete_config("eval", options["evaluation"])["files"]:
        yield from look_at_task_files(files)
    for label, address in options["predictions"].items():
        path = resolve_data(address)
        if not path.is_file():
            yield Problem(message=f"no file {address} of predictions.{label}", address=address)
            continue
        try:
            read_predictions(path)
        except DataError as error:
            yield Problem(message=f"predictions.{label}: {error}", hint=error.hint)
