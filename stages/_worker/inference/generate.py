"""Generation with a KV cache, at a fixed batch and length: two graphs, one for prompts, one for a token.

Prompts are padded on the left, so that all rows of a batch write the same slot of the cache; what a row has
before its start is blocked. Positions count from the start of a row, so padding changes no number.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from mindspore import Parameter, Tensor, nn, ops

from stages._worker.failures import UserError
from stages._worker.inference.sampling import pick, uniforms
from stages._worker.model import device
from stages._worker.model.qwen3 import Qwen3ForCausalLM
from stages._worker.model.rotary import rotary_table


class _LayerCache(nn.Cell):
    """Keys and values of one layer: (B, K, length, D)."""

    def __init__(self, shape: tuple[int, ...], name: str) -> None:
        super().__init__(auto_prefix=False)
        zeros = np.zeros(shape, np.float32)
        kind = device.compute_type()
        self.k = Parameter(Tensor(zeros, kind), name=f"cache.{name}.k", requires_grad=False)
        self.v = Parameter(Tensor(zeros, kind), name=f"cache.{name}.v", requires_grad=False)

    def construct(self, k: Tensor, v: Tensor, here: Tensor) -> tuple[Tensor, Tensor]:
        """k and v (B, K, length or 1, D) replace the slots where `here` (1, 1, length, 1) is 1."""
        keys = self.k * (1 - here) + k * here
        values = self.v * (1 - here) + v * here
        return ops.depend(keys, ops.assign(self.k, keys)), ops.depend(values, ops.assign(self.v, values))


class _CachedQwen3(nn.Cell):
    """tokens (B, T) at slots first .. first+T-1, starts (B,) -> logits (B, V) of the last token.

    T is the prompt width (first 0), or 1.
    """

    def __init__(self, network: Qwen3ForCausalLM, batch: int, length: int) -> None:
        super().__init__(auto_prefix=False)
        config = network.config
        self.network = network
        self.length = length
        shape = (batch, config.num_key_value_heads, length, config.head_dim)
        self.caches = nn.CellList(
            [_LayerCache(shape, str(n)) for n in range(config.num_hidden_layers)], auto_prefix=False
        )
        cos, sin = rotary_table(length, config.head_dim, config.rope_theta)
        self.cos = Tensor(cos, device.compute_type())
        self.sin = Tensor(sin, device.compute_type())
        self.slots = Tensor(np.arange(length, dtype=np.int32))

    def construct(self, tokens: Tensor, first: Tensor, starts: Tensor) -> Tensor:
        batch, width = tokens.shape
        model = self.network.model
        slots = first + self.slots[:width]
        positions = ops.maximum(ops.reshape(slots, (1, -1)) - ops.reshape(starts, (-1, 1)), 0)
        cos = ops.expand_dims(ops.gather(self.cos, positions, 0), 2)
        sin = ops.expand_dims(ops.gather(self.sin, positions, 0), 2)
        later = ops.reshape(self.slots, (1, 1, 1, -1)) > ops.reshape(slots, (1, 1, -1, 1))
        before = ops.reshape(self.slots, (1, 1, 1, -1)) < ops.reshape(starts, (-1, 1, 1, 1))
        blocked = ops.cast(ops.logical_or(later, before), self.cos.dtype)
        mine = ops.logical_and(self.slots >= first, self.slots < first + width)
        here = ops.cast(ops.reshape(mine, (1, 1, -1, 1)), self.cos.dtype)
        x = ops.cast(model.embed_tokens(tokens), self.cos.dtype)
        for n in range(len(self.caches)):
            layer = model.layers[n]
            q, k, v = layer.self_attn.project(layer.input_layernorm(x), cos, sin)
            if width > 1:
                k, v = self.widen(k), self.widen(v)
            keys, values = self.caches[n](k, v, here)
            x = x + layer.self_attn.attend(q, keys, values, blocked)
            x = x + layer.mlp(layer.post_attention_layernorm(x))
        return ops.reshape(self.network.logits(model.norm(x[:, -1:])), (batch, -1))

    def widen(self, x: Tensor) -> Tensor:
        """(B, K, T, D) -> (B, K, length, D), zeros behind."""
        batch, heads, width, dim = x.shape
        if width == self.length:
            return x
        return ops.concat((x, ops.zeros((batch, heads, self.length - width, dim), x.dtype)), 2)


@dataclass(kw_only=True, slots=True, frozen=True)
class Generation:
    """One answer, without the prompt and without the stop token."""

    tokens: list[int]
    log_probs: list[float]
    """log p of each token under the model at the temperature it was drawn with; the stop token's is last
    when `stopped`, so this may be one longer than `tokens`."""
    stopped: bool
    """A stop token was drawn; otherwise the answer ends because there was no room."""


class Generator:
    """Answers prompts in batches. It shares the weights of `network`: an update is seen at once."""

    def __init__(
        self, network: Qwen3ForCausalLM, *, batch: int, prompt_length: int, answer_length: int
    ) -> None:
        self.batch = batch
        self.prompt_length = prompt_length
        self.answer_length = answer_length
        self._graph = _CachedQwen3(network, batch, prompt_length + answer_length)
        self._graph.set_train(False)

    def generate(
        self,
        prompts: list[list[int]],
        *,
        stop: frozenset[int],
        temperature: float,
        seed: int,
        step: int = 0,
        first_item: int = 0,
    ) -> list[Generation]:
        """One answer for each prompt, in order; temperature 0 takes the likeliest token.

        Item i (counted from `first_item`) draws from (seed, step, item) alone: neither the other prompts nor
        the batch size change an answer's random numbers.
        """
        for n, prompt in enumerate(prompts):
            if not 0 < len(prompt) <= self.prompt_length:
                raise UserError(f"prompt {n} has {len(prompt)} tokens, expected 1 to {self.prompt_length}")
        answers: list[Generation] = []
        for begin in range(0, len(prompts), self.batch):
            part = prompts[begin : begin + self.batch]
            items = range(first_item + begin, first_item + begin + len(part))
            draws = uniforms(seed, step, items, self.answer_length)
            answers += self._generate_batch(part, draws, stop, temperature)
        return answers

    def first_logits(self, prompts: list[list[int]]) -> np.ndarray:
        """Logits (len(prompts), V) of the token after each prompt; at most `batch` prompts."""
        tokens, starts = self._pad(prompts)
        return self._run(tokens, 0, starts)[: len(prompts)]

    def next_logits(self, tokens: np.ndarray, slot: int, starts: np.ndarray) -> np.ndarray:
        """Logits (batch, V) after one more token (batch,) at `slot`."""
        return self._run(tokens[:, None], slot, starts)

    def _generate_batch(
        self, prompts: list[list[int]], draws: np.ndarray, stop: frozenset[int], temperature: float
    ) -> list[Generation]:
        count = len(prompts)
        tokens, starts = self._pad(prompts)
        logits = self._run(tokens, 0, starts)
        answers: list[list[int]] = [[] for _ in prompts]
        log_probs: list[list[float]] = [[] for _ in prompts]
        stopped = np.zeros(count, bool)
        for n in range(self.answer_length):
            drawn, log_p = pick(logits[:count], draws[:, n], temperature)
            for i in np.flatnonzero(~stopped):
                log_probs[i].append(float(log_p[i]))
                if int(drawn[i]) in stop:
                    stopped[i] = True
                else:
                    answers[i].append(int(drawn[i]))
            if stopped.all() or n + 1 == self.answer_length:
                break
            column = np.zeros(self.batch, np.int32)
            column[:count] = drawn
            logits = self.next_logits(column, self.prompt_length + n, starts)
        return [
            Generation(tokens=tokens, log_probs=log_p, stopped=bool(done))
            for tokens, log_p, done in zip(answers, log_probs, stopped, strict=True)
        ]

    def _pad(self, prompts: list[list[int]]) -> tuple[np.ndarray, np.ndarray]:
        tokens = np.zeros((self.batch, self.prompt_length), np.int32)
        starts = np.full(self.batch, self.prompt_length - 1, np.int32)
        for i, prompt in enumerate(prompts):
            starts[i] = self.prompt_length - len(prompt)
            tokens[i, starts[i] :] = prompt
        return tokens, starts

    def _run(self, tokens: np.ndarray, first: int, starts: np.ndarray) -> np.ndarray:
        return self._graph(Tensor(tokens), Tensor(np.int32(first)), Tensor(starts)).asnumpy()
