"""Training loss by cell of group and band: which data the model still learns from."""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from stages._worker.data.packed import PackedData
from stages._worker.training.train_step import StepResult
from stages._worker.worker import Worker
from stages.midtrain.order import Order


class CellLosses:
    """Collects the losses of rows and reports their mean as metrics `loss/<group>.<band>`."""

    def __init__(self, worker: Worker, packed: PackedData, order: Order, every: int) -> None:
        self._worker = worker
        self._order = order
        self._every = every
        self._cells = packed.cell_of_row()
        self._names = [f"{cell['group']}.{cell['band']}" for cell in packed.cells]
        self._losses: dict[int, list[float]] = defaultdict(list)

    def observe(self, step: int, result: StepResult) -> None:
        """Takes the row losses of one step."""
        for cell, loss in zip(self._cells[self._order.rows(step)], result.extra, strict=True):
            self._losses[int(cell)].append(float(loss))
        if (step + 1) % self._every and step + 1 != self._order.steps:
            return
        for cell, losses in sorted(self._losses.items()):
            self._worker.metric(f"loss/{self._names[cell]}", step + 1, float(np.mean(losses)))
        self._losses.clear()
