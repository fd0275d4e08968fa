"""The order of the data: made by the `pas-order` worker before this one, only read here."""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from stages._worker.data.packed import PackedData
from stages._worker.failures import DataError
from stages._worker.training.schedule import Schedule


class Order:
    """Rows of every step, and their learning rates. Checked against the packed data it was made for."""

    def __init__(self, folder: Path, packed: PackedData) -> None:
        try:
            self.facts: dict[str, Any] = json.loads((folder / "order.json").read_text(encoding="utf-8"))
            self._rows = np.fromfile(folder / "order.rows.bin", "<u4")
            self.steps = int(self.facts["steps"])
            self.batch = int(self.facts["batch"])
            self.sha256 = str(self.facts["orderSha256"])
            self._rates = [float(rate) for rate in self.facts["perStep"]["lr"]]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataError(
                f"{folder}: no order can be read: {error}",
                hint="`legalone train` makes it first; alone: `legalone pas order --job job.json`",
            ) from error
        self._check(folder, packed)

    def rows(self, step: int) -> np.ndarray:
        """Row ids of one step, (batch,) uint32."""
        return self._rows[step * self.batch : (step + 1) * self.batch]

    def check_schedule(self, schedule: Schedule) -> None:
        """The order was planned with these rates: how often a cell is drawn follows from them."""
        for step, planned in enumerate(self._rates):
            rate = schedule.learning_rate(step)
            if not math.isclose(rate, planned, rel_tol=1e-9):
                raise DataError(
                    f"the order was planned with rate {planned} at step {step}, the schedule says {rate}",
                    hint="delete the order folder of the attempt, so that it is planned again",
                )

    def _check(self, folder: Path, packed: PackedData) -> None:
        if len(self._rows) != self.steps * self.batch or len(self._rates) != self.steps:
            raise DataError(
                f"{folder}: {self.steps} steps of {self.batch} rows expected, saw {len(self._rows)} rows "
                f"and {len(self._rates)} rates"
            )
        if len(self._rows) and int(self._rows.max()) >= len(packed):
            raise DataError(f"{folder}: names row {self._rows.max()}, the data has {len(packed)}")
        cells = [(cell["group"], cell["band"], cell["sequences"]) for cell in packed.cells]
        ordered = [(cell["group"], cell["band"], cell["sequences"]) for cell in self.facts["cells"]]
        if cells != ordered:
            raise DataError(f"{folder}: made for the cells {ordered}, the data has {cells}")
        # An order over one folder does not say so: row r is entry r.
        if self.facts.get("runs", packed.runs) != packed.runs:
            raise DataError(
                f"{folder}: made for the shards {self.facts['runs']}, the data has {packed.runs}",
                hint="are the packed inputs in the order of their shards?",
            )
        if self._hash(packed) != self.sha256:
            raise DataError(f"{folder}: order.rows.bin is not the order that order.json names")

    def _hash(self, packed: PackedData) -> str:
        """SHA-256 over (cell, index) pairs as little-endian uint32."""
        firsts = np.array([cell["first"] for cell in packed.cells], np.int64)
        cells = np.searchsorted(firsts, self._rows.astype(np.int64), side="right") - 1
        pairs = np.stack([cells, self._rows - firsts[cells]], axis=1).astype("<u4")
        return hashlib.sha256(pairs.tobytes()).hexdigest()
