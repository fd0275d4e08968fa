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


def part(folder: Path, first: int, cells: list[tuple[str, str, int]], **facts: object) -> Path:
    """A packed folder whose entries hold first, first + 1, … in every place."""
    folder.mkdir()
    writer = PackedWriter(folder, length=LENGTH)
    described = []
    for group, band, sequences in cells:
        described.append({"group": group, "band": band, "first": writer.entries, "sequences": sequences})
        for _ in range(sequences):
            writer.append(np.full(LENGTH, first + writer.entries, np.int32))
    writer.close()
    describe(folder, **{"sequenceLength": LENGTH - 1, "vocabSize": 300, "cells": described, **facts})
    return folder


def test_shards_are_read_as_one_cell_by_cell(tmp_path: Path) -> None:
    folders = [
        part(tmp_path / "0", 0, [("general", "low", 2), ("legal", "low", 1)]),
        part(tmp_path / "1", 100, [("legal", "low", 2), ("legal", "high", 0), ("general", "low", 1)]),
        part(tmp_path / "2", 200, [("legal", "high", 2)]),
    ]
    data = PackedData(*folders)
    assert [(c["group"], c["band"], c["first"], c["sequences"]) for c in data.cells] == [
        ("general", "low", 0, 3),
        ("legal", "low", 3, 3),
        ("legal", "high", 6, 2),
    ]
    assert len(data) == 8
    whole = data.rows(np.arange(8, dtype=np.uint32))
    assert whole[:, 0].tolist() == [0, 1, 102, 2, 100, 101, 200, 201]
    assert (whole == whole[:, :1]).all()
    assert data.rows(np.array([5, 2])).tolist() == [[101] * LENGTH, [102] * LENGTH]
    assert data.cell_of_row().tolist() == [0, 0, 0, 1, 1, 1, 2, 2]
    assert data.runs == [
        {"row": 0, "part": 0, "first": 0, "sequences": 2},
        {"row": 2, "part": 1, "first": 2, "sequences": 1},
        {"row": 3, "part": 0, "first": 2, "sequences": 1},
        {"row": 4, "part": 1, "first": 0, "sequences": 2},
        {"row": 6, "part": 2, "first": 0, "sequences": 2},
    ]


@pytest.mark.parametrize(
    ("facts", "says"),
    [
        ({"vocabSize": 301}, "vocabSize is 301, but 300"),
        ({"endOfDocument": 5}, "endOfDocument is 5, but None"),
        ({"thresholds": {"legal": {"low": 2.1, "high": None}}}, "legal is low up to 2.1, but up to 2.0"),
        ({"thresholds": {"legal": {"low": 2.0, "high": 9.0}}}, "legal is high up to 9.0, but up to None"),
    ],
)
def test_parts_that_do_not_belong_together_are_refused(tmp_path: Path, facts: dict, says: str) -> None:
    cells = [("legal", "low", 2)]
    first = part(tmp_path / "0", 0, cells, thresholds={"legal": {"low": 2.0, "high": None}})
    near = part(tmp_path / "1", 0, cells, thresholds={"legal": {"low": 2.0001, "high": None}})
    other = part(tmp_path / "2", 0, cells, **facts)
    assert len(PackedData(first, near)) == 4
    with pytest.raises(DataError, match=says):
        PackedData(first, near, other)


def test_a_shard_that_was_made_from_another_corpus_is_refused(tmp_path: Path) -> None:
    folders = [part(tmp_path / name, 0, [("legal", "low", 1)]) for name in ("0", "1")]
    for folder, corpus in zip(folders, ("a", "b"), strict=True):
        (folder / "manifest.json").write_text(json.dumps({"parents": [corpus, "model"]}), encoding="utf-8")
    with pytest.raises(DataError, match="made from other inputs"):
        PackedData(*folders)
    assert len(PackedData(folders[0], folders[0])) == 2
