"""A tiny model folder for tests: random weights, a tokenizer trained on a few sentences."""

from pathlib import Path

from stages._worker.data.tokenizer import train_tokenizer
from stages._worker.model.config import Qwen3Config
from stages._worker.model.folder import save_model
from stages._worker.model.qwen3 import Qwen3ForCausalLM
from stages._worker.model.weights import initialise, weights_of

TEXTS = [
    "故意杀人的，处死刑、无期徒刑或者十年以上有期徒刑；情节较轻的，处三年以上十年以下有期徒刑。",
    "盗窃公私财物，数额较大的，处三年以下有期徒刑、拘役或者管制。",
    "民事主体从事民事活动，应当遵循自愿、公平、诚信的原则。",
    "请选择：A：盗窃罪 B：诈骗罪 C：抢劫罪 D：故意伤害罪。答案：B",
]


def tiny_model_folder(folder: Path, *, seed: int = 0, size: int = 400) -> Path:
    """Two layers of width 32; perplexity near the vocabulary's size."""
    tokenizer = train_tokenizer(TEXTS * 20, size=size, folder=folder)
    config = Qwen3Config(
        vocab_size=-(-len(tokenizer) // 8) * 8,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=16,
        max_position_embeddings=256,
    )
    network = Qwen3ForCausalLM(config)
    initialise(network, seed=seed, linear_std=0.08, embedding_std=0.05)
    save_model(folder, config=config, tensors=weights_of(network), tokenizer_from=folder, facts={})
    return folder
