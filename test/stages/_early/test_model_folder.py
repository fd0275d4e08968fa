"""What the early look says of a model folder from outside: a real one of Qwen3's form, and what can be wrong with it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.early import look_early, sentences

from stages._worker.data.tokenizer import train_tokenizer
from stages._worker.model.config import Qwen3Config
from stages._worker.model.folder import save_model

CONFIG = Qwen3Config(
    **{"vocab_size": 400, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1},
    **{"num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 16, "max_position_embeddings": 256},
)
NAMED = {"name": "small", **{field: getattr(CONFIG, field) for field in CONFIG.__slots__}}


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sound")
    train_tokenizer(["盗窃公私财物，数额较大的，处三年以下有期徒刑。"] * 50, size=300, folder=folder)
    tensors = {name: np.zeros(shape, np.float32) for name, shape in CONFIG.shapes().items()}
    save_model(folder, config=CONFIG, tensors=tensors, tokenizer_from=folder, facts={})
    return folder


def look(folder: Path, config: dict[str, Any]) -> list[str]:
    return sentences(
        look_early({"kind": "sft", "with": {}, "model": {"folder": str(folder), "config": config}})
    )


def test_a_sound_folder_is_let_through(sound: Path) -> None:
    assert look(sound, NAMED) == []


def edit(name: str, **changes: Any) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        path = folder / name
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))

    return change


def cut(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:2000])


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda folder: (folder / "tokenizer.json").write_text("{"), "{folder}: no tokenizer can be read: "),
        (
            edit("config.json", vocab_size=200),
            "{folder}: the tokenizer has 300 entries, the model only 200; put the",
        ),
        (
            edit("config.json", eos_token_id=299, bos_token_id=None),
            "{folder}: eos_token_id of config.json is 299",
        ),
        (
            edit("config.json", model_type="llama"),
            "{folder}/config.json: expected model_type qwen3, saw llama",
        ),
        (
            lambda folder: (folder / "config.json").unlink(),
            "{folder}/config.json: cannot be read as a model config",
        ),
        (cut, "{folder}/model.safetensors"),
        (lambda folder: (folder / "model.safetensors").unlink(), "{folder}/model.safetensors"),
        (
            edit("config.json", num_hidden_layers=2),
            "{folder}/config.json: num_hidden_layers is 2; 1, as configs/models/small.yaml says; another model lies",
        ),
    ],
)
def test_what_is_wrong_is_named(
    sound: Path, tmp_path: Path, change: Callable[[Path], None], says: str
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(sound, folder)
    change(folder)
    found = look(folder, NAMED)
    assert found and found[0].startswith(says.format(folder=folder))


def test_weights_that_are_not_those_of_the_config_are_named(sound: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(sound, folder)
    edit("config.json", num_hidden_layers=2)(folder)
    assert look(folder, {**NAMED, "num_hidden_layers": 2})[0].startswith(
        f"{folder}: 11 weights are missing, the first is model.layers.1."
    )
    edit("config.json", num_hidden_layers=1, intermediate_size=96)(folder)
    (found,) = look(folder, {**NAMED, "intermediate_size": 96})
    assert (
        found
        == f"{folder}: model.layers.0.mlp.gate_proj.weight has shape (64, 32); (96, 32) by its config.json"
    )
