import json
from pathlib import Path

import pytest
from support.jobs import CHECKOUT

from stages._worker.failures import DataError, UserError
from stages._worker.model.config import config_from, read_config, write_config
from stages._worker.yaml_file import read_yaml

# Parameters as the model cards of Qwen3 name them, in billions.
SIZES = {"qwen3-1.7b": 1.7, "qwen3-4b": 4.0, "qwen3-8b": 8.2, "tiny": 0.0012}


@pytest.mark.parametrize("name", SIZES)
def test_the_models_of_configs_have_the_size_they_are_named_for(name: str) -> None:
    config = config_from(read_yaml(CHECKOUT / "configs" / "models" / f"{name}.yaml"))
    assert config.parameter_count() / 1e9 == pytest.approx(SIZES[name], rel=0.04)


def test_a_config_survives_its_file(tmp_path: Path) -> None:
    config = config_from(read_yaml(CHECKOUT / "configs" / "models" / "tiny.yaml"))
    write_config(config, tmp_path, end_of_text=0, end_of_turn=2, dtype="float32")
    assert read_config(tmp_path) == config
    assert json.loads((tmp_path / "generation_config.json").read_text())["eos_token_id"] == [2, 0]


@pytest.mark.parametrize(
    "changes",
    [
        {"model_type": "llama"},
        {"rope_scaling": {"factor": 4}},
        {"attention_bias": True},
        {"hidden_act": "gelu"},
    ],
)
def test_what_would_compute_other_numbers_is_refused(changes: dict) -> None:
    values = read_yaml(CHECKOUT / "configs" / "models" / "tiny.yaml")
    with pytest.raises(DataError):
        config_from(values | changes)


def test_shapes_that_do_not_divide_are_refused() -> None:
    values = read_yaml(CHECKOUT / "configs" / "models" / "tiny.yaml")
    with pytest.raises(UserError, match="no multiple"):
        config_from(values | {"num_key_value_heads": 2})
    with pytest.raises(DataError, match="hidden_size"):
        config_from({key: value for key, value in values.items() if key != "hidden_size"})
