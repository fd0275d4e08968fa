"""A model as an artifact: the Hugging Face folder, whose tokenizer always travels with it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from stages._worker.data.tokenizer import FILES as TOKENIZER_FILES
from stages._worker.data.tokenizer import Tokenizer, load_tokenizer
from stages._worker.failures import DataError
from stages._worker.jsonl import write_json
from stages._worker.model.config import Qwen3Config, read_config, write_config
from stages._worker.model.tensor_folder import save_weights

if TYPE_CHECKING:
    from stages._worker.model.qwen3 import Qwen3ForCausalLM


def load_model(folder: Path, *, max_length: int | None = None) -> tuple[Qwen3ForCausalLM, Tokenizer]:
    """Network and tokenizer of a model folder, checked against each other."""
    # Writing a folder needs no MindSpore; only this does.
    from stages._worker.model.qwen3 import Qwen3ForCausalLM
    from stages._worker.model.weights import load_weights

    config, tokenizer = read_config_and_tokenizer(folder)
    network = Qwen3ForCausalLM(config, max_length=max_length)
    load_weights(network, folder)
    return network, tokenizer


def read_config_and_tokenizer(folder: Path) -> tuple[Qwen3Config, Tokenizer]:
    """Config and tokenizer of a model folder, checked against each other; DataError where they do not fit."""
    config = read_config(folder)
    tokenizer = load_tokenizer(folder)
    if len(tokenizer) > config.vocab_size:
        raise DataError(
            f"{folder}: the tokenizer has {len(tokenizer)} entries, the model only {config.vocab_size}",
            hint="put the tokenizer.json that the model was trained with beside its config.json",
        )
    _check_marks(folder, tokenizer)
    return config, tokenizer


def _check_marks(folder: Path, tokenizer: Tokenizer) -> None:
    """Marks that config.json numbers otherwise than tokenizer.json are those of another tokenizer."""
    named = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    known = {tokenizer.end_of_text, tokenizer.end_of_turn}
    for key in ("bos_token_id", "eos_token_id"):
        said = named.get(key)
        wrong = [one for one in (said if isinstance(said, list) else [said]) if one is not None]
        if wrong and not known & set(wrong):
            raise DataError(
                f"{folder}: {key} of config.json is {said}, but the tokenizer has its end marks at {sorted(known)}",
                hint="put the tokenizer.json that the model was trained with beside its config.json",
            )


def save_model(
    folder: Path,
    *,
    config: Qwen3Config,
    tensors: Mapping[str, np.ndarray],
    tokenizer_from: Path,
    facts: dict[str, Any],
    dtype: str = "float32",
    shard_bytes: int = 4_000_000_000,
) -> None:
    """Writes a folder that transformers loads. `facts` (metrics, parents, …) go to legalone.json."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in TOKENIZER_FILES:
        if (tokenizer_from / name).resolve() != (folder / name).resolve():
            shutil.copyfile(tokenizer_from / name, folder / name)
    tokenizer = load_tokenizer(folder)
    write_config(
        config, folder, end_of_text=tokenizer.end_of_text, end_of_turn=tokenizer.end_of_turn, dtype=dtype
    )
    save_weights(tensors, folder, dtype=dtype, shard_bytes=shard_bytes)
    write_facts(folder, facts)


def write_facts(folder: Path, facts: dict[str, Any]) -> None:
    """Writes what a model folder says of how it was made, in the place of what it said."""
    write_json(folder / "legalone.json", facts)
