"""Whether a model folder from outside is the model that the pipeline names, and whole."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from stages._early.problem import Problem
from stages._worker.failures import WorkerFailure
from stages._worker.model.config import config_from
from stages._worker.model.folder import read_config_and_tokenizer
from stages._worker.model.tensor_folder import FolderTensors

_SHAPE_FIELDS = (
    "vocab_size",
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "head_dim",
    "tie_word_embeddings",
)
"""What decides the shapes of weights."""


def look_at_model(folder: Path, config: dict[str, Any]) -> Iterator[Problem]:
    """The problems of a folder for a model of configs/models: its config, tokenizer, and the heads of its weights."""
    # Several stages read one model: it is looked at once.
    yield from _problems(folder, json.dumps(config, sort_keys=True))


@functools.lru_cache(maxsize=4)
def _problems(folder: Path, config: str) -> tuple[Problem, ...]:
    return tuple(_look(folder, json.loads(config)))


def _look(folder: Path, config: dict[str, Any]) -> Iterator[Problem]:
    name = f"configs/models/{config['name']}.yaml"
    try:
        named = config_from(config, where=name)
        there, _ = read_config_and_tokenizer(folder)
    except WorkerFailure as error:
        yield Problem(message=str(error), hint=error.hint)
        return
    for field in _SHAPE_FIELDS:
        seen, expected = getattr(there, field), getattr(named, field)
        if seen != expected:
            yield Problem(
                message=f"{folder}/config.json: {field} is {seen}",
                expected=f"{expected}, as {name} says",
                hint="another model lies there, or the file names the wrong one",
            )
    try:
        tensors = FolderTensors(folder)
    except (WorkerFailure, OSError) as error:
        yield Problem(message=str(error))
        return
    shapes = there.shapes()
    missing = sorted(set(shapes) - set(tensors))
    if missing:
        yield Problem(
            message=f"{folder}: {len(missing)} weights are missing, the first is {missing[0]}",
            hint="is the folder copied whole?",
        )
    for tensor, shape in shapes.items():
        if tensor in tensors and tensors.shape(tensor) != shape:
            yield Problem(
                message=f"{folder}: {tensor} has shape {tensors.shape(tensor)}",
                expected=f"{shape} by its config.json",
            )
            return
