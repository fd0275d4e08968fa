"""One update of the weights as one graph: forward, loss, gradients, clip, AdamW."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from typing import Any

import mindspore as ms
import numpy as np
from mindspore import Tensor, nn, ops

from stages._worker.failures import NumericError
from stages._worker.model import device
from stages._worker.training.adamw import AdamW, AdamWSettings
from stages._worker.training.compile_cache import compile_cache
from stages._worker.training.parted.spike_guard import Spike


class NextTokenLoss(nn.Cell):
    """tokens (B, S+1) int32, weights (B, S) fp32 -> (mean loss over weighted tokens, mean loss of each row (B,)).

    weights[b, i] counts the prediction of tokens[b, i + 1]. A row without weight has loss 0.
    """

    weights_at = 1

    def __init__(self, network: nn.Cell) -> None:
        super().__init__(auto_prefix=False)
        self.network = network
        self.log_probs = device.token_log_probs()

    def construct(self, tokens: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
        batch, width = weights.shape
        hidden = ops.reshape(self.network.hidden(tokens[:, :-1]), (batch * width, -1))
        losses = -self.log_probs(hidden, self.network.table(), ops.reshape(tokens[:, 1:], (-1,)))
        losses = ops.reshape(losses, (batch, width)) * weights
        rows = ops.sum(losses, 1) / ops.maximum(ops.sum(weights, 1), 1.0)
        return ops.sum(losses) / ops.sum(weights), rows


class _Update(nn.Cell):
    def __init__(self, loss: nn.Cell, optimizer: AdamW, clip: float) -> None:
        super().__init__(auto_prefix=False)
        self.optimizer = optimizer
        self.clip = clip
        self.differentiate = ms.value_and_grad(loss, None, optimizer.parameters, has_aux=True)

    def construct(
        self, learning_rate: Tensor, power1: Tensor, power2: Tensor, eps: Tensor, keep: Tensor, *batch: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        (loss, extra), gradients = self.differentiate(*batch)
        squares = ops.zeros((), ms.float32)
        for gradient in gradients:
            squares = squares + ops.sum(ops.square(ops.cast(gradient, ms.float32)))
        size = ops.sqrt(squares)
        scale = ops.minimum(self.clip / (size + 1e-6), Tensor(1.0, ms.float32))
        clipped = ()
        for gradient in gradients:
            clipped = (*clipped, gradient * scale)
        done = self.optimizer(clipped, learning_rate, power1, power2, eps, keep)
        return ops.depend(loss, done), size, extra


@dataclass(kw_only=True, slots=True, frozen=True)
class StepResult:
    """What one update measured, before it changed the weights."""

    loss: float
    gradient_norm: float
    """Global norm before clipping."""
    extra: np.ndarray
    """The second output of the loss Cell."""
    stopping: bool = False
    """A rank was told to stop before this step was over: all leave after it."""
    spike: Spike | None = None
    """Why the weights were left as they were; None when they were updated."""


class TrainStep:
    """A loss Cell with its optimizer. The loss Cell returns (scalar, one more tensor)."""

    def __init__(
        self, loss: nn.Cell, settings: AdamWSettings, *, graph: Mapping[str, Any] | None = None
    ) -> None:
        """`graph`: all that decides what is compiled, beside settings and shapes; None: it is never cached."""
        self.settings = settings
        self._graph = graph
        parameters = [p for p in loss.get_parameters() if p.requires_grad]
        self.optimizer = AdamW(parameters, settings)
        self.updates = 0
        self._update = _Update(loss, self.optimizer, settings.clip)
        self._update.set_train()

    def __call__(self, batch: tuple[np.ndarray, ...], learning_rate: float) -> StepResult:
        """One update. Raises NumericError when loss or gradient is no finite number; the weights are spoilt then."""
        scalars = self.settings.scalars(learning_rate, self.updates + 1)
        with self._compiling(batch):
            loss, size, extra = self._update(*scalars, *(Tensor(array) for array in batch))
        result = StepResult(
            loss=float(loss.asnumpy()), gradient_norm=float(size.asnumpy()), extra=extra.asnumpy()
        )
        if not (math.isfinite(result.loss) and math.isfinite(result.gradient_norm)):
            raise NumericError(
                f"update {self.updates + 1}: loss {result.loss}, gradient norm {result.gradient_norm}",
                hint="lower schedule.max or look at the batch; the last checkpoint is sound",
            )
        self.updates += 1
        return result

    def _compiling(self, batch: tuple[np.ndarray, ...]) -> AbstractContextManager[None]:
        """Around the first call, which compiles; one of other shapes later compiles without the cache."""
        graph, self._graph = self._graph, None
        if graph is None:
            return nullcontext()
        weights = [[weight.name, *weight.shape] for weight in self.optimizer.parameters]
        inputs = [[str(array.dtype), *array.shape] for array in batch]
        return compile_cache(
            {**graph, "settings": asdict(self.settings), "weights": weights, "inputs": inputs}
        )
