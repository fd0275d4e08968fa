"""The model of the benches: configs/models/tiny.yaml with random weights and a small tokenizer, as a folder.

Needs the checkout and test/stages on the path, and MindSpore set up.
"""

from pathlib import Path

from support.tiny_model import TEXTS

from stages._worker.data.tokenizer import train_tokenizer
from stages._worker.model.config import Qwen3Config, config_from
from stages._worker.model.folder import save_model
from stages._worker.model.qwen3 import Qwen3ForCausalLM
from stages._worker.model.weights import initialise, weights_of
from stages._worker.yaml_file import read_yaml

CHECKOUT = Path(__file__).resolve().parents[3]


def make_tiny(folder: Path) -> Qwen3Config:
    """Writes the folder and gives the shape of its model."""
    options = read_yaml(CHECKOUT / "configs" / "models" / "tiny.yaml")
    config = config_from(options)
    train_tokenizer(TEXTS * 20, size=400, folder=folder)
    network = Qwen3ForCausalLM(config)
    deviations = {
        "linear_std": options["linear_initializer_range"],
        "embedding_std": options["initializer_range"],
    }
    initialise(network, seed=1, **deviations)
    save_model(folder, config=config, tensors=weights_of(network), tokenizer_from=folder, facts={})
    return config
