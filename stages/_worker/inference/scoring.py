"""Scoring documents: their negative log-likelihood under a model, at fixed shapes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from mindspore import Tensor, nn, ops

from stages._worker.failures import NumericError
from stages._worker.model import device
from stages._worker.model.qwen3 import Qwen3ForCausalLM


@dataclass(slots=True)
class Scores:
    """By document, in the order given."""

    nll: np.ndarray
    """Sum of -log p over the scored tokens, in nats, added up in fp64."""
    tokens: np.ndarray
    """How many were scored."""
    token_nll: list[np.ndarray] | None = None
    """-log p of every scored token of each document, fp32; only on request."""

    def perplexity(self) -> np.ndarray:
        """exp(nll / tokens) of each document; a document without tokens has infinity."""
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            return np.where(self.tokens > 0, np.exp(self.nll / np.maximum(self.tokens, 1)), np.inf)


class _TokenLosses(nn.Cell):
    """tokens (B, S+1) -> -log p of each token but the first (B, S)."""

    def __init__(self, network: Qwen3ForCausalLM) -> None:
        super().__init__(auto_prefix=False)
        self.network = network
        self.log_probs = device.token_log_probs()

    def construct(self, tokens: Tensor) -> Tensor:
        batch, width = tokens.shape[0], tokens.shape[1] - 1
        hidden = ops.reshape(self.network.hidden(tokens[:, :-1]), (batch * width, -1))
        losses = -self.log_probs(hidden, self.network.table(), ops.reshape(tokens[:, 1:], (-1,)))
        return ops.reshape(losses, (batch, width))


class Scorer:
    """Scores documents in batches of one width for each of `lengths`; each width compiles once."""

    def __init__(
        self, network: Qwen3ForCausalLM, *, batch: int, lengths: tuple[int, ...], end_of_text: int
    ) -> None:
        self.batch = batch
        self.lengths = tuple(sorted(lengths))
        self.end_of_text = end_of_text
        self._graph = _TokenLosses(network)
        self._graph.set_train(False)

    def score(
        self,
        documents: Sequence[Sequence[int] | np.ndarray],
        progress: Callable[[int, int], None] | None = None,
        *,
        per_token: bool = False,
    ) -> Scores:
        """The first `max(lengths)` tokens of each document, after an end-of-text mark, as in packed data.

        Documents go sorted by length, each in the narrowest width that holds it. `progress(done, of)` is called
        after every batch. Raises NumericError where a document has no finite score.
        """
        longest = self.lengths[-1]
        sizes = np.array([min(len(tokens), longest) for tokens in documents], np.int64)
        nll = np.zeros(len(documents))
        token_nll = [np.zeros(0, np.float32)] * len(documents) if per_token else None
        widths = np.array([next(w for w in self.lengths if w >= size) for size in sizes], np.int64)
        done = 0
        for width in self.lengths:
            chosen = np.flatnonzero(widths == width)
            chosen = chosen[np.argsort(sizes[chosen], kind="stable")]
            for begin in range(0, len(chosen), self.batch):
                part = chosen[begin : begin + self.batch]
                losses = self._score_batch([documents[i][:width] for i in part], width)
                for row, i in zip(losses, part, strict=True):
                    nll[i] = row[: sizes[i]].sum(dtype=np.float64)
                    if token_nll is not None:
                        token_nll[i] = row[: sizes[i]].copy()
                done += len(part)
                if progress is not None:
                    progress(done, len(documents))
        if not np.isfinite(nll).all():
            raise NumericError("the model gives a document a probability that is no finite number")
        return Scores(nll=nll, tokens=sizes, token_nll=token_nll)

    def _score_batch(self, documents: list[Sequence[int] | np.ndarray], width: int) -> np.ndarray:
        """(documents, width) fp32; what lies after a document's end means nothing."""
        tokens = np.full((self.batch, width + 1), self.end_of_text, np.int32)
        for i, document in enumerate(documents):
            tokens[i, 1 : len(document) + 1] = document
        return self._graph(Tensor(tokens)).asnumpy()[: len(documents)]
