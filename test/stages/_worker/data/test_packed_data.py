import json
import struct
from pathlib import Path

import numpy as np
import pytest

from stages._worker.data.packed import PackedData, PackedWriter
from stages._worker.failures import DataError

LENGTH = 5


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    writer = PackedWriter(tmp_path, length=LENGTH)
    for n in range(4):
        writer.append(np.arange(n * LENGTH, (n + 1) * LENGTH, dtype=np.int32))
    writer.close()
    cells = [
        {"group": "legal", "band": "low", "first": 0, "sequences": 3},
        {"group": "general", "band": "high", "first": 3, "sequences": 1},
    ]
    describe(tmp_path, sequenceLength=LENGTH - 1, cells=cells)
    return tmp_path


def describe(folder: Path, **facts: object) -> None:
    (folder / "cells.json").write_text(json.dumps(facts))


def test_rows_come_back_by_id_with_their_cells(folder: Path) -> None:
    data = PackedData(folder)
    assert len(data) == 4
    assert data.rows(np.array([2, 0])).tolist() == [[10, 11, 12, 13, 14], [0, 1, 2, 3, 4]]
    assert data.cell_of_row().tolist() == [0, 0, 0, 1]


def test_the_index_is_megatrons_version_1(folder: Path) -> None:
    data = (folder / "data.idx").read_bytes()
    magic, version, code, entries, bounds = struct.unpack("<9sQBQQ", data[:34])
    assert (magic, version, code, entries, bounds) == (b"MMIDIDX\x00\x00", 1, 4, 4, 5)
    assert np.frombuffer(data, "<i4", 4, 34).tolist() == [LENGTH] * 4
    assert np.frombuffer(data, "<i8", 4, 50).tolist() == [0, 20, 40, 60]
    assert np.frombuffer(data, "<i8", 5, 82).tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("harm", "says"),
    [
        (lambda f: (f / "data.bin").write_bytes(b"\0" * 79), "not a file of int32"),
        (lambda f: (f / "data.bin").write_bytes(b"\0" * 76), "entries end at 80"),
        (lambda f: (f / "data.idx").write_bytes((f / "data.idx").read_bytes()[:-1]), "4 entries take"),
        (lambda f: (f / "data.idx").write_bytes(b"x" * 200), "Megatron index"),
        (lambda f: (f / "data.idx").unlink(), "no such file"),
        (lambda f: (f / "cells.json").write_text("[]"), "not the description"),
        (lambda f: describe(f, sequenceLength=LENGTH, cells=[]), "must have 6 tokens"),
        (lambda f: describe(f, sequenceLength=LENGTH - 1, cells=[]), "cells hold 0 entries"),
    ],
)
def test_harm_is_found(folder: Path, harm, says: str) -> None:
    harm(folder)
    with pytest.raises(DataError, match=says):
        PackedData(folder)
