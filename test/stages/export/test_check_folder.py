import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from support.tiny_model import tiny_model_folder

from stages._worker.failures import DataError
from stages._worker.model import device
from stages._worker.model.config import read_config
from stages._worker.model.safetensors_file import TensorFile, write_tensors
from stages.export.check import check_folder


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    device.set_up()
    return tiny_model_folder(tmp_path_factory.mktemp("sound"))


@pytest.fixture
def folder(sound: Path, tmp_path: Path) -> Path:
    shutil.copytree(sound, tmp_path / "model")
    return tmp_path / "model"


def edit(name: str, **changes: object):
    def harm(folder: Path) -> None:
        values = json.loads((folder / name).read_text(encoding="utf-8"))
        (folder / name).write_text(json.dumps(values | changes), encoding="utf-8")

    return harm


def rewrite(**changes: np.ndarray | None):
    def harm(folder: Path) -> None:
        file = TensorFile(folder / "model.safetensors")
        tensors = {name: file.read(name) for name in file.names()} | changes
        write_tensors(
            folder / "model.safetensors",
            {name: values for name, values in tensors.items() if values is not None},
        )

    return harm


NORM = "model.norm.weight"


def test_a_sound_folder_has_its_parameters_counted(folder: Path) -> None:
    assert check_folder(folder) == read_config(folder).parameter_count() > 0


@pytest.mark.parametrize(
    ("harm", "says"),
    [
        (edit("config.json", hidden_size=64), "config.json says"),
        (edit("config.json", num_hidden_layers=3), "model.layers.2.* is missing"),
        (edit("config.json", num_hidden_layers=1), "belongs to no Qwen3"),
        (edit("config.json", model_type="llama"), "expected model_type qwen3"),
        (edit("generation_config.json", eos_token_id=0), "does not end an answer"),
        (rewrite(**{NORM: None}), "is missing"),
        (rewrite(**{NORM: np.full(32, np.nan, np.float32)}), "no finite number"),
        (lambda folder: (folder / "tokenizer.json").unlink(), "no tokenizer"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b"x"), "not a safetensors file"),
    ],
)
def test_what_does_not_fit_is_named(folder: Path, harm, says: str) -> None:
    harm(folder)
    with pytest.raises(DataError, match=says):
        check_folder(folder)
