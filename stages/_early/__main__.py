"""The early look: what must fail fails in seconds, before anything is started.

`python -m stages._early` reads {"stages": [{"name", "kind", "with", "model"?}]} from standard input and writes a list of
{"stage", "message", "expected"?, "hint"?, "about", "address"?} to standard output. What a kind looks at stands in
`look` of its early.py, beside its run.py and by the same readers and rules; a kind without that file has nothing to
look at. `model` is {"folder", "config"} of a model from outside that the stage reads. An early.py makes no output, so
that it counts for no cache key.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from stages._early.at_once import at_once
from stages._early.problem import Problem
from stages._worker.locations import stage_folder
from stages._worker.variables import hide_values

_SECONDS = 15.0


def look_at(stages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The problems of the stages, in their order, as JSON objects."""
    found = at_once([(f"what {stage['name']} reads", partial(_look, stage)) for stage in stages], _SECONDS)
    return [
        {"stage": stage["name"], **_told(problem)}
        for stage, problems in zip(stages, found, strict=True)
        for problem in problems
    ]


def _look(stage: dict[str, Any]) -> Iterator[Problem]:
    if "model" in stage:
        # Brings tokenizers along: only where there is a model to look at.
        from stages._early.model_folder import look_at_model

        yield from look_at_model(Path(stage["model"]["folder"]), stage["model"]["config"])
    folder = stage_folder(stage["kind"])
    if (folder / "early.py").is_file():
        yield from importlib.import_module(f"stages.{folder.name}.early").look(stage["with"])


def _told(problem: Problem) -> dict[str, str]:
    words = {name: getattr(problem, name) for name in ("message", "expected", "hint", "about", "address")}
    # An address is told as it is written, and compared; all others may quote what was read.
    return {
        name: word if name == "address" else hide_values(word)
        for name, word in words.items()
        if word is not None
    }


if __name__ == "__main__":
    json.dump(look_at(json.load(sys.stdin)["stages"]), sys.stdout, ensure_ascii=False)
    sys.stdout.flush()
    # Not through the end of the interpreter: a thread may be waiting for a disk.
    os._exit(0)
