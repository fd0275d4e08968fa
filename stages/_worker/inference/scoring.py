"""Scoring documents: their negative log-likelihood under a model, at fixed shapes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from mindspore import Tensor, nn, ops

from stages._worker.failures import NumericError
from stages._worker.model.device import TokenLogProbs
from stages._worker.model.qwen3 import Qwen3ForCausalLM


@dataclass(slots=True)
class Scores:
    """By document, in the order given."""

    nll: np.ndarray
    """Sum of -log p over the scored tokens, in nats."""
    tokens: np.ndarray
    """How many were scored."""

    def perplexity(self) -> np.ndarray:
        """exp(nll / tokens) of each document; a document without tokens has infinity."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(self.tokens > 0, np.exp(self.nll / np.maximum(self.tokens, 1)), np.inf)


class _RowLosses(nn.Cell):
    """tokens (B, S+1), weights (B, S) -> sum of weighted losses of each row (B,)."""

    def __init__(self, network: Qwen3ForCausalLM) -> None:
        super().__init__(auto_prefix=False)
        self.network = network
        self.log_probs = TokenLogProbs()

    def construct(self, tokens: Tensor, weights: Tensor) -> Tensor:
        batch, width = weights.shape
        logits = ops.reshape(self.network(tokens[:, :-1]), (batch * width, -1))
        losses = -self.log_probs(logits, ops.reshape(tokens[:, 1:], (-1,)))
        return ops.sum(ops.reshape(losses, (batch, width)) * weights, 1)


class Scorer:
    """Scores documents in batches of one width for each of `lengths`; each width compiles once."""

    def __init__(
        self, network: Qwen3ForCausalLM, *, batch: int, lengths: tuple[int, ...], end_of_text: int
    ) -> None:
        self.batch = batch
        self.lengths = tuple(sorted(lengths))
        self.end_of_text = end_of_text
        self._graph = _RowLosses(network)
        self._graph.set_train(False)

    def score(self, documents: list[list[int]], progress: Callable[[int, int], None] | None = None) -> Scores:
        """The first `max(lengths)` tokens of each document, after an end-of-text mark, as in packed data.

        Documents go sorted by length, each in the narrowest width that holds it. `progress(done, of)` is called
        after every batch.
        """
        longest = self.lengths[-1]
        sizes = np.array([min(len(tokens), longest) for tokens in documents], np.int64)
        nll = np.zeros(len(documents))
        widths = np.array([next(w for w in self.lengths if w >= size) for size in sizes], np.int64)
        done = 0
        for width in self.lengths:
            chosen = np.flatnonzero(widths == width)
            chosen = chosen[np.argsort(sizes[chosen], kind="stable")]
            for begin in range(0, len(chosen), self.batch):
                part = chosen[begin : begin + self.batch]
                nll[part] = self._score_batch([documents[i][:width] for i in part], width)
                done += len(part)
                if progress is not None:
                    progress(done, len(documents))
        if not np.isfinite(nll).all():
            raise NumericError("the model gives a document a probability that is no finite number")
        return Scores(nll=nll, tokens=sizes)

    def _score_batch(self, documents: list[list[int]], width: int) -> np.ndarray:
        tokens = np.full((self.batch, width + 1), self.end_of_text, np.int32)
        weights = np.zeros((self.batch, width), np.float32)
        for i, document in enumerate(documents):
            tokens[i, 1 : len(document) + 1] = document
            weights[i, : len(document)] = 1
        losses = self._graph(Tensor(tokens), Tensor(weights)).asnumpy()
        return losses[: len(documents)].astype(np.float64)
