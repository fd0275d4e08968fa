"""The shape of a Qwen3 model, as config.json of a Hugging Face folder says it."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from stages._worker.failures import DataError, UserError
from stages._worker.jsonl import write_json


@dataclass(kw_only=True, slots=True, frozen=True)
class Qwen3Config:
    """The keys that decide the numbers; names are those of transformers."""

    vocab_size: int
    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    num_key_value_heads: int
    head_dim: int
    max_position_embeddings: int
    rope_theta: float = 1_000_000.0
    rms_norm_eps: float = 1e-6
    tie_word_embeddings: bool = True

    def __post_init__(self) -> None:
        if self.num_attention_heads % self.num_key_value_heads:
            raise UserError(
                f"num_attention_heads {self.num_attention_heads} is no multiple of "
                f"num_key_value_heads {self.num_key_value_heads}"
            )
        if self.head_dim % 2:
            raise UserError(f"head_dim {self.head_dim} is odd: rotary positions need pairs")

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Hugging Face name and shape of every weight."""
        queries = self.num_attention_heads * self.head_dim
        keys = self.num_key_value_heads * self.head_dim
        layer = {
            "input_layernorm": (self.hidden_size,),
            "post_attention_layernorm": (self.hidden_size,),
            "self_attn.q_proj": (queries, self.hidden_size),
            "self_attn.k_proj": (keys, self.hidden_size),
            "self_attn.v_proj": (keys, self.hidden_size),
            "self_attn.o_proj": (self.hidden_size, queries),
            "self_attn.q_norm": (self.head_dim,),
            "self_attn.k_norm": (self.head_dim,),
            "mlp.gate_proj": (self.intermediate_size, self.hidden_size),
            "mlp.up_proj": (self.intermediate_size, self.hidden_size),
            "mlp.down_proj": (self.hidden_size, self.intermediate_size),
        }
        table = (self.vocab_size, self.hidden_size)
        return {
            "model.embed_tokens.weight": table,
            **{
                f"model.layers.{n}.{name}.weight": shape
                for n in range(self.num_hidden_layers)
                for name, shape in layer.items()
            },
            "model.norm.weight": (self.hidden_size,),
            **({} if self.tie_word_embeddings else {"lm_head.weight": table}),
        }

    def parameter_count(self) -> int:
        """Number of weights."""
        return sum(math.prod(shape) for shape in self.shapes().values())


def config_from(values: dict[str, Any], *, where: str = "model") -> Qwen3Config:
    """A config from the object of a config.json; refuses what the model code would compute otherwise."""
    known = {field.name for field in fields(Qwen3Config)}
    if values.get("model_type", "qwen3") != "qwen3":
        raise DataError(f"{where}: expected model_type qwen3, saw {values['model_type']}")
    for key in ("attention_bias", "use_sliding_window", "rope_scaling"):
        if values.get(key):
            raise DataError(f"{where}: {key} = {values[key]} is not supported")
    if values.get("hidden_act", "silu") != "silu":
        raise DataError(f"{where}: expected hidden_act silu, saw {values['hidden_act']}")
    try:
        return Qwen3Config(**{key: value for key, value in values.items() if key in known})
    except TypeError as error:
        raise DataError(f"{where}: {error}") from error


def read_config(folder: Path) -> Qwen3Config:
    """Reads config.json of a model folder."""
    path = folder / "config.json"
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read as a model config: {error}") from error
    return config_from(values, where=str(path))


def write_config(
    config: Qwen3Config, folder: Path, *, end_of_text: int, end_of_turn: int, dtype: str
) -> None:
    """Writes config.json and generation_config.json, as transformers, vLLM and SGLang read them."""
    write_json(
        folder / "config.json",
        {
            "architectures": ["Qwen3ForCausalLM"],
            "model_type": "qwen3",
            **{field.name: getattr(config, field.name) for field in fields(config)},
            "attention_bias": False,
            "attention_dropout": 0.0,
            "hidden_act": "silu",
            "initializer_range": 0.02,
            "rope_scaling": None,
            "sliding_window": None,
            "use_sliding_window": False,
            "use_cache": True,
            "bos_token_id": end_of_text,
            "eos_token_id": end_of_turn,
            "torch_dtype": dtype,
        },
    )
    write_json(
        folder / "generation_config.json",
        {
            "bos_token_id": end_of_text,
            "eos_token_id": [end_of_turn, end_of_text],
            "pad_token_id": end_of_text,
            "do_sample": True,
            "temperature": 0.6,
            "top_p": 0.95,
            "top_k": 20,
        },
    )
