"""order.idx by its documented form; the real one is made by the pas-order worker (src/worker/pas-order)."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from stages._worker.data.megatron_index import MegatronIndex, write_index
from stages._worker.data.packed import PackedData


def write_order_index(folder: Path, *packed: Path) -> Path:
    """The index of the rows in `folder` over the data.bin files of `packed`, one after the other."""
    data = PackedData(*packed)
    width = data.sequence_length + 1
    sizes = [(part / "data.bin").stat().st_size for part in packed]
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    pointer = np.concatenate(
        [starts[run["part"]] + 4 * width * (run["first"] + np.arange(run["sequences"])) for run in data.runs]
    )
    rows = np.fromfile(folder / "order.rows.bin", "<u4")
    index = MegatronIndex(sizes=np.full(len(rows), width, np.int32), pointers=pointer[rows].astype(np.int64))
    write_index(folder / "order.idx", index)
    return folder / "order.idx"
