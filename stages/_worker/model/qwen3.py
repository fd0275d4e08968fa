"""Qwen3 as MindSpore Cells, named so that every parameter has its Hugging Face name.

Shapes: B batch, T tokens, H query heads, K key heads, D head_dim, E hidden size, V vocabulary.
"""

from __future__ import annotations

import numpy as np
from mindspore import Parameter, Tensor, nn, ops

from stages._worker.model import device
from stages._worker.model.config import Qwen3Config
from stages._worker.model.rotary import rotary_table


class RMSNorm(nn.Cell):
    """Root mean square norm with a weight."""

    def __init__(self, size: int, eps: float) -> None:
        super().__init__()
        self.weight = Parameter(Tensor(np.ones(size, np.float32)), name="weight")
        self.compute = device.norm(eps)

    def construct(self, x: Tensor) -> Tensor:
        return self.compute(x, ops.cast(self.weight, x.dtype))


class Linear(nn.Cell):
    """x @ weight.T, without bias; weight (out, in) as in Hugging Face files."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = Parameter(Tensor(np.zeros((outputs, inputs), np.float32)), name="weight")
        self.inputs = inputs
        self.outputs = outputs
        self.matmul = ops.MatMul(transpose_b=True)

    def construct(self, x: Tensor) -> Tensor:
        flat = ops.reshape(x, (-1, self.inputs))
        y = self.matmul(flat, ops.cast(self.weight, x.dtype))
        return ops.reshape(y, (*x.shape[:-1], self.outputs))


class Attention(nn.Cell):
    """Grouped-query attention with norms on queries and keys. `project` and `attend` let a cache stand between."""

    def __init__(self, config: Qwen3Config) -> None:
        super().__init__()
        self.heads = config.num_attention_heads
        self.key_heads = config.num_key_value_heads
        self.head_dim = config.head_dim
        self.q_proj = Linear(config.hidden_size, self.heads * self.head_dim)
        self.k_proj = Linear(config.hidden_size, self.key_heads * self.head_dim)
        self.v_proj = Linear(config.hidden_size, self.key_heads * self.head_dim)
        self.o_proj = Linear(self.heads * self.head_dim, config.hidden_size)
        self.q_norm = RMSNorm(self.head_dim, config.rms_norm_eps)
        self.k_norm = RMSNorm(self.head_dim, config.rms_norm_eps)
        self.rotate = device.rotation(self.head_dim)
        self.compute = device.attention(self.head_dim)

    def project(self, x: Tensor, cos: Tensor, sin: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """x (B, T, E), cos and sin (B or 1, T, 1, D) -> q (B, T, H, D), k and v (B, K, T, D), q and k rotated."""
        batch, width, _ = x.shape
        q = ops.reshape(self.q_proj(x), (batch, width, self.heads, self.head_dim))
        k = ops.reshape(self.k_proj(x), (batch, width, self.key_heads, self.head_dim))
        v = ops.reshape(self.v_proj(x), (batch, width, self.key_heads, self.head_dim))
        q = self.rotate(self.q_norm(q), cos, sin)
        k = self.rotate(self.k_norm(k), cos, sin)
        return q, self.by_head(k), self.by_head(v)

    def by_head(self, x: Tensor) -> Tensor:
        """(B, T, K, D) -> (B, K, T, D); with one head the order in memory is right already."""
        batch, width, _, _ = x.shape
        if self.key_heads == 1:
            return ops.reshape(x, (batch, 1, width, self.head_dim))
        return ops.transpose(x, (0, 2, 1, 3))

    def attend(self, q: Tensor, k: Tensor, v: Tensor, blocked: Tensor) -> Tensor:
        """-> (B, T, E)"""
        return self.o_proj(self.compute(q, k, v, blocked))


class MLP(nn.Cell):
    """down(silu(gate(x)) * up(x))"""

    def __init__(self, config: Qwen3Config) -> None:
        super().__init__()
        self.gate_proj = Linear(config.hidden_size, config.intermediate_size)
        self.up_proj = Linear(config.hidden_size, config.intermediate_size)
        self.down_proj = Linear(config.intermediate_size, config.hidden_size)

    def construct(self, x: Tensor) -> Tensor:
        gate = self.gate_proj(x)
        return self.down_proj(gate * ops.sigmoid(gate) * self.up_proj(x))


class DecoderLayer(nn.Cell):
    """Attention and MLP, each behind a norm and with a residual."""

    def __init__(self, config: Qwen3Config) -> None:
        super().__init__()
        self.self_attn = Attention(config)
        self.mlp = MLP(config)
        self.input_layernorm = RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.post_attention_layernorm = RMSNorm(config.hidden_size, config.rms_norm_eps)

    def construct(self, x: Tensor, cos: Tensor, sin: Tensor, blocked: Tensor) -> Tensor:
        q, k, v = self.self_attn.project(self.input_layernorm(x), cos, sin)
        x = x + self.self_attn.attend(q, k, v, blocked)
        return x + self.mlp(self.post_attention_layernorm(x))


class Embedding(nn.Cell):
    """Token table (V, E)."""

    def __init__(self, config: Qwen3Config) -> None:
        super().__init__()
        table = np.zeros((config.vocab_size, config.hidden_size), np.float32)
        self.weight = Parameter(Tensor(table), name="weight")
        self.compute = device.embedding()

    def construct(self, tokens: Tensor) -> Tensor:
        return self.compute(self.weight, tokens)


class Qwen3Model(nn.Cell):
    """Everything below the output layer."""

    def __init__(self, config: Qwen3Config) -> None:
        super().__init__()
        self.embed_tokens = Embedding(config)
        self.layers = nn.CellList([DecoderLayer(config) for _ in range(config.num_hidden_layers)])
        self.norm = RMSNorm(config.hidden_size, config.rms_norm_eps)

    def construct(self, tokens: Tensor, cos: Tensor, sin: Tensor, blocked: Tensor) -> Tensor:
        x = ops.cast(self.embed_tokens(tokens), cos.dtype)
        for layer in self.layers:
            x = layer(x, cos, sin, blocked)
        return self.norm(x)


class Qwen3ForCausalLM(nn.Cell):
    """tokens (B, T) int32 -> logits (B, T, V). Every row starts at position 0 and sees only what is before it.

    `max_length` is the longest T it will be called with; every new (B, T) compiles once.
    """

    def __init__(self, config: Qwen3Config, *, max_length: int | None = None) -> None:
        super().__init__()
        self.config = config
        self.max_length = max_length or config.max_position_embeddings
        self.tied = config.tie_word_embeddings
        self.model = Qwen3Model(config)
        if not self.tied:
            self.lm_head = Linear(config.hidden_size, config.vocab_size)
        self.unembed = ops.MatMul(transpose_b=True)
        cos, sin = rotary_table(self.max_length, config.head_dim, config.rope_theta)
        blocked = np.triu(np.ones((self.max_length, self.max_length), np.float32), 1)
        self.cos = Tensor(cos, device.compute_type())
        self.sin = Tensor(sin, device.compute_type())
        self.blocked = Tensor(blocked, device.compute_type())

    def construct(self, tokens: Tensor) -> Tensor:
        return self.logits(self.hidden(tokens))

    def hidden(self, tokens: Tensor) -> Tensor:
        """tokens (B, T) int32 -> (B, T, E), what the output layer is given."""
        cos, sin, later = self.positions(tokens.shape[1])
        return self.model(tokens, cos, sin, later)

    def hidden_in_segments(self, tokens: Tensor, segments: Tensor) -> Tensor:
        """tokens and segments (B, T) int32 -> (B, T, E); a token sees the earlier ones of its own segment.

        Positions count through the row. They are relative, so a segment computes as it would alone.
        """
        batch, width = tokens.shape
        cos, sin, later = self.positions(width)
        foreign = ops.not_equal(
            ops.reshape(segments, (batch, 1, width, 1)), ops.reshape(segments, (batch, 1, 1, width))
        )
        return self.model(tokens, cos, sin, ops.maximum(later, ops.cast(foreign, later.dtype)))

    def positions(self, width: int) -> tuple[Tensor, Tensor, Tensor]:
        """cos and sin (1, T, 1, D), and 1 where a key comes later than the query (1, 1, T, T)."""
        cos = ops.reshape(self.cos[:width], (1, width, 1, -1))
        sin = ops.reshape(self.sin[:width], (1, width, 1, -1))
        return cos, sin, ops.reshape(self.blocked[:width, :width], (1, 1, width, width))

    def recompute_layers(self) -> None:
        """Computes the activations of a layer again in the backward pass, in place of keeping them."""
        for layer in self.model.layers:
            layer.recompute()

    def table(self) -> Tensor:
        """Weights of the output layer (V, E)."""
        if self.tied:
            return self.model.embed_tokens.weight
        return self.lm_head.weight

    def logits(self, x: Tensor) -> Tensor:
        """x (B, T, E) -> (B, T, V)"""
        flat = ops.reshape(x, (-1, x.shape[-1]))
        y = self.unembed(flat, ops.cast(self.table(), x.dtype))
        return ops.reshape(y, (*x.shape[:-1], self.config.vocab_size))
