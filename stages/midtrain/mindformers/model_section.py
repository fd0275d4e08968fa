"""The `model` section of MindFormers' YAML: Qwen3 of our sizes, under the names of MindFormers 1.9.0."""

from __future__ import annotations

from typing import Any

from stages._worker.model.config import Qwen3Config


def model_section(
    model: Qwen3Config, *, sequence_length: int, pipeline: int, end_of_document: int, boundaries: bool
) -> dict[str, Any]:
    """`model_config` of the section; weights in fp32, products in bf16."""
    return {
        "model_type": "qwen3",
        "architectures": ["Qwen3ForCausalLM"],
        "vocab_size": model.vocab_size,
        "hidden_size": model.hidden_size,
        "intermediate_size": model.intermediate_size,
        "num_hidden_layers": model.num_hidden_layers,
        "num_attention_heads": model.num_attention_heads,
        "num_key_value_heads": model.num_key_value_heads,
        "head_dim": model.head_dim,
        "hidden_act": "swiglu",
        "max_position_embeddings": model.max_position_embeddings,
        "seq_length": sequence_length,
        "initializer_range": 0.02,
        "rms_norm_eps": model.rms_norm_eps,
        "rope_theta": model.rope_theta,
        "use_cache": False,
        "tie_word_embeddings": model.tie_word_embeddings,
        "untie_embeddings_and_output_weights": not model.tie_word_embeddings,
        "attention_bias": False,
        "add_bias_linear": False,
        "attention_dropout": 0.0,
        "hidden_dropout": 0.0,
        "pad_token_id": end_of_document,
        "position_embedding_type": "rope",
        "qk_layernorm": True,
        "use_flash_attention": True,
        "use_eod_attn_mask_compression": boundaries,
        "input_sliced_sig": True,
        "use_contiguous_weight_layout_attention": False,
        "qkv_concat": True,
        "offset": [0] * pipeline if pipeline > 1 else 0,
        "params_dtype": "float32",
        "compute_dtype": "bfloat16",
        "layernorm_compute_dtype": "float32",
        "softmax_compute_dtype": "float32",
        "rotary_dtype": "float32",
        "fp32_residual_connection": True,
    }
