"""An order folder by the documented form: rows of all cells in turn. The real one is made by the pas-order worker."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np

from stages._worker.data.packed import PackedData


def write_order(folder: Path, *packed: Path, batch: int, rates: list[float], start: int = 0) -> str:
    """Writes order.json and order.rows.bin; returns the hash of the order."""
    data = PackedData(*packed)
    steps = len(rates)
    rows = ((np.arange(steps * batch) * 7 + start) % len(data)).astype("<u4")
    cells = data.cell_of_row()[rows]
    firsts = np.array([cell["first"] for cell in data.cells], np.uint32)
    pairs = np.stack([cells, rows - firsts[cells]], axis=1).astype("<u4")
    digest = hashlib.sha256(pairs.tobytes()).hexdigest()
    facts = {
        "steps": steps,
        "batch": batch,
        "orderSha256": digest,
        "cells": [
            {
                "group": cell["group"],
                "band": cell["band"],
                "weight": 1 / len(data.cells),
                "sequences": cell["sequences"],
            }
            for cell in data.cells
        ],
        "passes": [1.0] * len(data.cells),
        "perStep": {"lr": rates},
        "warnings": [],
        **({"runs": data.runs} if len(packed) > 1 else {}),
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "order.json").write_text(json.dumps(facts), encoding="utf-8")
    rows.tofile(folder / "order.rows.bin")
    return digest
