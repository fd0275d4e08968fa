"""One update of the weights from a batch that comes in parts, of one process or of several."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from mindspore import Tensor, nn

from stages._worker.failures import NumericError
from stages._worker.training.adamw import AdamW, AdamWSettings
from stages._worker.training.parted.cells import Accumulate, Apply, Clear, Reduce, zeros_like
from stages._worker.training.parted.spike_guard import Spike, SpikeGuard
from stages._worker.training.train_step import StepResult

ONE_RANK = (0, 1)


class PartedStep:
    """As TrainStep, with the loss of the whole batch: the mean over all weighted tokens of all parts and ranks.

    The loss Cell returns (mean over the weighted tokens, one value a row), and `weights_at` is the place of the
    weights among its inputs.
    """

    def __init__(
        self,
        loss: nn.Cell,
        settings: AdamWSettings,
        *,
        micro_batch: int | None = None,
        guard: SpikeGuard | None = None,
        rank: tuple[int, int] = ONE_RANK,
    ) -> None:
        """`micro_batch`: rows that are computed at once, None for all of this rank. `rank`: which one, of how many."""
        self.settings = settings
        self.guard = guard
        self.micro_batch = micro_batch
        self.rank, self.ranks = rank
        self.updates = 0
        parameters = [p for p in loss.get_parameters() if p.requires_grad]
        self.optimizer = AdamW(parameters, settings)
        sums = zeros_like(parameters)
        self._weights_at = loss.weights_at
        self._accumulate = Accumulate(loss, self.optimizer.parameters, sums)
        self._accumulate.set_train()
        self._reduce = Reduce(sums, self.ranks)
        self._apply = Apply(self.optimizer, sums)
        self._clear = Clear(sums)

    def __call__(
        self,
        parts: Iterable[tuple[np.ndarray, ...]],
        learning_rate: float,
        *,
        step: int,
        stopping: bool = False,
    ) -> StepResult:
        """Step number `step` (from 0). Raises NumericError as TrainStep does, but with the weights untouched."""
        numbers = np.zeros(3, np.float32)
        numbers[2] = stopping
        rows = []
        self._clear()
        for part in parts:
            weight = np.float32(part[self._weights_at].sum())
            if weight == 0:  # its mean would be 0/0
                rows.append(np.zeros(len(part[self._weights_at]), np.float32))
                continue
            loss, extra = self._accumulate(Tensor(weight), *(Tensor(array) for array in part))
            numbers[:2] += np.float32([weight, weight * np.float32(loss.asnumpy())])
            rows.append(extra.asnumpy())
        reduced, size, extra = self._reduce(Tensor(numbers), Tensor(np.concatenate(rows)))
        tokens, losses, stops = (float(number) for number in reduced.asnumpy())
        result = StepResult(
            loss=losses / tokens,
            gradient_norm=float(size.asnumpy()),
            extra=self._in_order(extra.asnumpy()),
            stopping=stops > 0,
        )
        return self._finish(result, learning_rate, step)

    def _finish(self, result: StepResult, learning_rate: float, step: int) -> StepResult:
        spike = self._judge(result, step)
        if spike is not None:
            return StepResult(
                loss=result.loss,
                gradient_norm=result.gradient_norm,
                extra=result.extra,
                stopping=result.stopping,
                spike=spike,
            )
        size = np.float32(result.gradient_norm)
        scale = np.minimum(np.float32(self.settings.clip) / (size + np.float32(1e-6)), np.float32(1))
        self._apply(Tensor(scale), *self.settings.scalars(learning_rate, self.updates + 1))
        self.updates += 1
        return result

    def _judge(self, result: StepResult, step: int) -> Spike | None:
        if self.guard is not None:
            return self.guard.judge(step, loss=result.loss, gradient_norm=result.gradient_norm)
        if not (math.isfinite(result.loss) and math.isfinite(result.gradient_norm)):
            raise NumericError(
                f"step {step + 1}: loss {result.loss}, gradient norm {result.gradient_norm}",
                hint="lower schedule.max or look at the batch; the last checkpoint is sound",
            )
        return None

    def _in_order(self, gathered: np.ndarray) -> np.ndarray:
        """Row i of rank r is row i ranks + r of the batch."""
        return gathered.reshape(self.ranks, -1).T.reshape(-1)
