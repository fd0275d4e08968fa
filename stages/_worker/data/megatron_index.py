"""Megatron's index of a token file, version 1 (`MMIDIDX`): where each entry starts and how long it is."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stages._worker.failures import DataError

_MAGIC = b"MMIDIDX\x00\x00"
_HEADER = struct.Struct("<9sQBQQ")
_INT32 = 4
"""Megatron's code of the number format int32."""


@dataclass(kw_only=True, slots=True, frozen=True)
class MegatronIndex:
    """Entry i is `sizes[i]` tokens from byte `pointers[i]`; every entry is one document of its own."""

    sizes: np.ndarray
    pointers: np.ndarray


def write_index(path: Path, index: MegatronIndex) -> None:
    """Writes an index of int32 entries."""
    count = len(index.sizes)
    with path.open("wb") as file:
        file.write(_HEADER.pack(_MAGIC, 1, _INT32, count, count + 1))
        file.write(np.asarray(index.sizes, "<i4").tobytes())
        file.write(np.asarray(index.pointers, "<i8").tobytes())
        file.write(np.arange(count + 1, dtype="<i8").tobytes())


def read_index(path: Path) -> MegatronIndex:
    """Reads an index; DataError says what is wrong with it."""
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    size = path.stat().st_size
    if size < _HEADER.size:
        raise DataError(f"{path}: {size} bytes are too few for an index")
    # Mapped: the index of 12 million entries has 240 MB, and every rank of a node reads it.
    data = np.memmap(path, np.uint8, "r")
    magic, version, code, count, documents = _HEADER.unpack_from(data)
    if magic != _MAGIC or version != 1:
        raise DataError(f"{path}: expected a Megatron index of version 1, saw {magic!r} {version}")
    if code != _INT32:
        raise DataError(f"{path}: expected int32 tokens (code 4), saw code {code}")
    expected = _HEADER.size + 12 * count + 8 * documents
    if len(data) != expected:
        raise DataError(f"{path}: {count} entries take {expected} bytes, saw {len(data)}")
    sizes = np.frombuffer(data, "<i4", count, _HEADER.size)
    pointers = np.frombuffer(data, "<i8", count, _HEADER.size + 4 * count)
    return MegatronIndex(sizes=sizes, pointers=pointers)
