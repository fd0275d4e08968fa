"""The same weights give the same numbers as transformers and torch, in a process of their own."""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mindspore as ms
import numpy as np
import pytest
from support.jobs import CHECKOUT
from support.tiny_model import TEXTS

from stages._worker.data.chat import render_chat
from stages._worker.data.tokenizer import load_tokenizer, train_tokenizer
from stages._worker.model import device
from stages._worker.model.config import Qwen3Config
from stages._worker.model.folder import load_model, save_model
from stages._worker.model.qwen3 import Qwen3ForCausalLM
from stages._worker.model.weights import initialise, weights_of
from stages._worker.training.adamw import AdamWSettings
from stages._worker.training.train_step import NextTokenLoss, TrainStep

TORCH = CHECKOUT / ".venv-torch" / "bin" / "python"
pytestmark = pytest.mark.skipif(
    not TORCH.exists(), reason="transformers lives in .venv-torch, which is not installed"
)

SHAPES = {
    "tied": {"num_attention_heads": 5, "num_key_value_heads": 1, "tie_word_embeddings": True},
    "untied": {"num_attention_heads": 4, "num_key_value_heads": 2, "tie_word_embeddings": False},
}
MESSAGES = [
    {"role": "user", "content": "盗窃公私财物的，如何处罚？"},
    {"role": "assistant", "content": "<think>想</think>\n\n处三年以下有期徒刑。"},
    {"role": "user", "content": "数额巨大呢？"},
]


@dataclass
class Reference:
    folder: Path
    arrays: Any
    facts: dict[str, Any]


@pytest.fixture(scope="module")
def references(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Reference]:
    root = tmp_path_factory.mktemp("reference")
    device.set_up()
    for name in SHAPES:
        make_folder(root / name, name)
    out = root / "out"
    out.mkdir()
    script = CHECKOUT / "test" / "stages" / "support" / "torch_reference.py"
    subprocess.run([TORCH, script, out, *(root / name for name in SHAPES)], check=True, capture_output=True)
    return {
        name: Reference(
            folder=root / name,
            arrays=np.load(out / f"{name}.npz"),
            facts=json.loads((out / f"{name}.json").read_text(encoding="utf-8")),
        )
        for name in SHAPES
    }


def make_folder(folder: Path, name: str) -> None:
    tokenizer = train_tokenizer(TEXTS * 20, size=400, folder=folder)
    config = Qwen3Config(
        vocab_size=len(tokenizer),
        hidden_size=48,
        intermediate_size=80,
        num_hidden_layers=2,
        head_dim=16,
        max_position_embeddings=64,
        **SHAPES[name],
    )
    network = Qwen3ForCausalLM(config)
    initialise(network, seed=3, linear_std=0.15, embedding_std=0.4)
    # The untied one is written in shards, so that the index is read by transformers too.
    save_model(
        folder,
        config=config,
        tensors=weights_of(network),
        tokenizer_from=folder,
        facts={},
        shard_bytes=4_000_000_000 if name == "tied" else 100_000,
    )
    stream = np.random.default_rng(5)
    np.save(folder / "tokens.npy", stream.integers(0, len(tokenizer), (3, 40)).astype(np.int32))
    if name == "tied":
        np.save(folder / "train.npy", stream.integers(0, len(tokenizer), (10, 4, 25)).astype(np.int32))


@pytest.mark.parametrize("name", SHAPES)
def test_logits(references: dict[str, Reference], name: str) -> None:
    network, _ = load_model(references[name].folder)
    logits = network(ms.Tensor(np.load(references[name].folder / "tokens.npy"))).asnumpy()
    expected = references[name].arrays["logits"]
    assert expected.std() > 0.5
    assert np.abs(logits - expected).max() <= 1e-4


def test_the_untied_folder_is_sharded(references: dict[str, Reference]) -> None:
    assert (references["untied"].folder / "model.safetensors.index.json").exists()
    assert (references["tied"].folder / "model.safetensors").exists()


def test_ten_adamw_steps(references: dict[str, Reference]) -> None:
    network, _ = load_model(references["tied"].folder)
    step = TrainStep(NextTokenLoss(network), AdamWSettings())
    weights = np.ones((4, 24), np.float32)
    batches = np.load(references["tied"].folder / "train.npy")
    losses = [step((tokens, weights), 3e-3).loss for tokens in batches]
    assert losses == pytest.approx(references["tied"].arrays["losses"], abs=1e-4)


@pytest.mark.parametrize("name", SHAPES)
def test_chat_and_ids(references: dict[str, Reference], name: str) -> None:
    tokenizer = load_tokenizer(references[name].folder)
    text = render_chat(MESSAGES, add_generation_prompt=True)
    facts = references[name].facts
    assert (facts["text"], facts["ids"], facts["entries"]) == (text, tokenizer.encode(text), len(tokenizer))
