"""Safetensors files: lazy reading with bf16 widened to fp32, writing in fp32 or bf16.

The numpy side of the safetensors package cannot hold bf16, which real Qwen3 weights are stored in.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, TensorSpec, serialize_file

from stages._worker.failures import DataError

_NUMPY_TYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "U8": "u1", "BOOL": "?"}


class TensorFile:
    """One .safetensors file, mapped into memory."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with path.open("rb") as file:
                size = int.from_bytes(file.read(8), "little")
                if not 2 <= size <= path.stat().st_size - 8:
                    raise ValueError(f"header of {size} bytes in a file of {path.stat().st_size}")
                header = json.loads(file.read(size))
        except (OSError, ValueError) as error:
            raise DataError(f"{path}: not a safetensors file: {error}") from error
        header.pop("__metadata__", None)
        self._entries = header
        self._data = np.memmap(path, np.uint8, "r", offset=8 + size)
        last = max((entry["data_offsets"][1] for entry in header.values()), default=0)
        if last != len(self._data):
            raise DataError(f"{path}: expected {last} bytes of data, saw {len(self._data)}")

    def names(self) -> list[str]:
        """Names of the tensors."""
        return list(self._entries)

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of one tensor, without reading it."""
        return tuple(self._entries[name]["shape"])

    def read(self, name: str) -> np.ndarray:
        """One tensor; bf16 comes as fp32."""
        entry = self._entries[name]
        begin, end = entry["data_offsets"]
        raw = self._data[begin:end]
        if entry["dtype"] == "BF16":
            values = (raw.view("<u2").astype(np.uint32) << 16).view(np.float32)
        elif entry["dtype"] in _NUMPY_TYPES:
            values = np.array(raw.view(_NUMPY_TYPES[entry["dtype"]]))
        else:
            raise DataError(f"{self.path}: {name} has the unknown type {entry['dtype']}")
        return values.reshape(entry["shape"])


def write_tensors(path: Path, tensors: dict[str, np.ndarray], *, dtype: str = "float32") -> None:
    """Writes fp32 arrays as `float32` or `bfloat16` (round to nearest even)."""
    # The package takes addresses, so the arrays have to stay until it is done.
    kept = {}
    for name, array in sorted(tensors.items()):
        values = np.ascontiguousarray(array, np.float32)
        kept[name] = np.ascontiguousarray(_to_bfloat16(values)) if dtype == "bfloat16" else values
    encoded = {
        name: TensorSpec(
            dtype=dtype, shape=list(array.shape), data_ptr=array.ctypes.data, data_len=array.nbytes
        )
        for name, array in kept.items()
    }
    try:
        serialize_file(encoded, str(path), {"format": "pt"})
    except SafetensorError as error:
        # The package hides the errno of a full disk in its text.
        raise OSError(28 if "No space" in str(error) else 5, str(error)) from error


def _to_bfloat16(values: np.ndarray) -> np.ndarray:
    bits = values.view(np.uint32)
    rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16
    quiet_nan = (bits >> 16) | 0x40
    return np.where(np.isnan(values), quiet_nan, rounded).astype("<u2")
