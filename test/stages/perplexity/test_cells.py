from pathlib import Path

import numpy as np
import pytest

from stages._worker.data.packed import PackedData
from stages._worker.failures import DataError
from stages.perplexity.cells import Cell, write_packed


def write(folder: Path, cells: list[Cell]) -> dict:
    return write_packed(
        folder,
        cells,
        length=4,
        max_documents=8,
        end_of_document=0,
        vocabulary=64,
        thresholds={},
        dropped={"legal_above_high": 2},
    )


def test_cells_lie_one_after_the_other_and_never_mix(tmp_path: Path) -> None:
    cells = [
        Cell(group="general", band="low", documents=[[1, 1, 1], [1, 1, 1, 1, 1, 1, 1]]),
        Cell(group="general", band="high", documents=[[2]]),
        Cell(group="legal", band="low", documents=[[3, 3], [3, 3, 3, 3, 3, 3, 3]]),
    ]
    facts = write(tmp_path, cells)
    assert [(c["group"], c["band"], c["first"], c["sequences"]) for c in facts["cells"]] == [
        ("general", "low", 0, 2),
        ("legal", "low", 2, 2),
    ]
    data = PackedData(tmp_path)
    for row, mark in enumerate((1, 1, 3, 3)):
        assert set(data.rows(np.array([row]))[0].tolist()) <= {0, mark}
    spans = np.fromfile(tmp_path / "documents.bin", "<u4").reshape(-1, 2)
    assert spans.tolist() == [[0, 1], [1, 1], [0, 1], [1, 1]]
    # 12 + 2 + 11 tokens with end marks, 10 of them packed in each of two cells.
    assert facts["dropped"] == {
        "documents": 2,
        "legal_above_high": 2,
        "tail_tokens": 2 + 2 + 1,
        "crowded_tokens": 0,
    }


def test_too_little_text_for_one_sequence_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no cell has enough tokens"):
        write(tmp_path, [Cell(group="legal", band="low", documents=[[3]])])
