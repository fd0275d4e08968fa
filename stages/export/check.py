"""A model folder fits together: config, weights and tokenizer agree, and every weight is a finite number."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from stages._worker.data.chat import render_chat
from stages._worker.data.tokenizer import load_tokenizer
from stages._worker.failures import DataError
from stages._worker.model.config import read_config
from stages._worker.model.tensor_folder import FolderTensors


def check_folder(folder: Path) -> int:
    """Number of parameters of a sound folder; DataError names the first thing that does not fit."""
    config = read_config(folder)
    tensors = FolderTensors(folder)
    expected = config.shapes()
    for name, shape in expected.items():
        if name not in tensors:
            raise DataError(f"{folder}: {name} is missing")
        if tensors.shape(name) != shape:
            raise DataError(f"{folder}: {name} has shape {tensors.shape(name)}, config.json says {shape}")
        if not np.isfinite(tensors[name]).all():
            raise DataError(f"{folder}: {name} holds a value that is no finite number")
    unknown = sorted(set(tensors) - set(expected) - {"lm_head.weight"})
    if unknown:
        raise DataError(f"{folder}: {unknown[0]} belongs to no Qwen3 of this config.json")
    _check_tokenizer(folder, config.vocab_size)
    return config.parameter_count()


def _check_tokenizer(folder: Path, vocabulary: int) -> None:
    tokenizer = load_tokenizer(folder)
    if len(tokenizer) > vocabulary:
        raise DataError(f"{folder}: {len(tokenizer)} tokens, but only {vocabulary} rows of embeddings")
    generation = json.loads((folder / "generation_config.json").read_text(encoding="utf-8"))
    ends = generation["eos_token_id"]
    if tokenizer.end_of_turn not in (ends if isinstance(ends, list) else [ends]):
        raise DataError(f"{folder}: generation_config.json does not end an answer at <|im_end|>")
    text = render_chat([{"role": "user", "content": "第一条"}], template=tokenizer.chat_template)
    if tokenizer.decode(tokenizer.encode(text)) != text:
        raise DataError(f"{folder}: the tokenizer does not give back a rendered chat")
