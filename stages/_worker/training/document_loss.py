"""Next-token loss in which a token sees its own document only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from mindspore import Tensor, nn, ops

from stages._worker.model import device
from stages._worker.model.qwen3 import Qwen3ForCausalLM
from stages._worker.training.train_step import NextTokenLoss


class DocumentLoss(nn.Cell):
    """NextTokenLoss with a third input: segments (B, S) int32, the document of each of the first S tokens.

    As in MindFormers with its compressed end-of-document mask: positions count through the entry, and the first
    token of a document is still predicted, from the end mark before it alone.
    """

    weights_at = 1

    def __init__(self, network: Qwen3ForCausalLM) -> None:
        super().__init__(auto_prefix=False)
        self.network = network
        self.log_probs = device.token_log_probs()

    def construct(self, tokens: Tensor, weights: Tensor, segments: Tensor) -> tuple[Tensor, Tensor]:
        batch, width = weights.shape
        hidden = self.network.hidden_in_segments(tokens[:, :-1], segments)
        flat = ops.reshape(hidden, (batch * width, -1))
        losses = -self.log_probs(flat, self.network.table(), ops.reshape(tokens[:, 1:], (-1,)))
        losses = ops.reshape(losses, (batch, width)) * weights
        rows = ops.sum(losses, 1) / ops.maximum(ops.sum(weights, 1), 1.0)
        return ops.sum(losses) / ops.sum(weights), rows


def segments_of(tokens: np.ndarray, end_of_document: int) -> np.ndarray:
    """tokens (B, S+1) -> (B, S) int32: number of the document each token belongs to; its end mark is part of it."""
    ends = tokens[:, :-1] == end_of_document
    return (np.cumsum(ends, 1) - ends).astype(np.int32)


@dataclass(kw_only=True, slots=True, frozen=True)
class PackedLoss:
    """A loss over packed entries, with what it takes beside the tokens."""

    cell: nn.Cell
    inputs: Callable[[np.ndarray], tuple[np.ndarray, ...]]
    """Entries (B, S+1) int32 -> inputs of `cell`; every token weighs 1."""


def choose_loss(network: Qwen3ForCausalLM, attention: str, *, end_of_document: int) -> PackedLoss:
    """The loss of a stage's option `attention`: `sequence` or `document`."""
    if attention == "sequence":
        return PackedLoss(cell=NextTokenLoss(network), inputs=lambda rows: (rows, _ones(rows)))
    return PackedLoss(
        cell=DocumentLoss(network),
        inputs=lambda rows: (rows, _ones(rows), segments_of(rows, end_of_document)),
    )


def _ones(rows: np.ndarray) -> np.ndarray:
    return np.ones((len(rows), rows.shape[1] - 1), np.float32)
