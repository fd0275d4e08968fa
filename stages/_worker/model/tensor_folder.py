"""Weights as the files of a Hugging Face folder: one file, or several with an index."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from stages._worker.failures import DataError
from stages._worker.jsonl import write_json
from stages._worker.model.safetensors_file import TensorFile, write_tensors

SINGLE = "model.safetensors"
INDEX = "model.safetensors.index.json"


def tensor_files(folder: Path) -> dict[str, TensorFile]:
    """Name of each tensor of a model folder -> the file that holds it; single and sharded folders."""
    index = folder / INDEX
    if not index.is_file():
        file = TensorFile(folder / SINGLE)
        return {name: file for name in file.names()}
    try:
        weight_map = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"{index}: not an index of safetensors files: {error}") from error
    files = {name: TensorFile(folder / name) for name in sorted(set(weight_map.values()))}
    for name, file in weight_map.items():
        if name not in files[file].names():
            raise DataError(f"{index}: {name} should be in {file}, and is not")
    return {name: files[file] for name, file in weight_map.items()}


class _LazyTensors(Mapping[str, np.ndarray]):
    """Tensors of files, each read when it is asked for."""

    def __init__(self, files: Mapping[str, TensorFile]) -> None:
        self._files = files

    def __getitem__(self, name: str) -> np.ndarray:
        return self._files[name].read(name)

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of one tensor, without reading it."""
        return self._files[name].shape(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)


class FolderTensors(_LazyTensors):
    """The tensors of a model folder, each read when it is asked for."""

    def __init__(self, folder: Path) -> None:
        super().__init__(tensor_files(folder))


class FileTensors(_LazyTensors):
    """The tensors of one file, each read when it is asked for."""

    def __init__(self, path: Path) -> None:
        file = TensorFile(path)
        super().__init__({name: file for name in file.names()})


def save_weights(
    tensors: Mapping[str, np.ndarray],
    folder: Path,
    *,
    dtype: str = "float32",
    shard_bytes: int = 4_000_000_000,
) -> None:
    """Writes one file, or files of at most `shard_bytes` (of fp32) with their index."""
    shards: list[dict[str, np.ndarray]] = [{}]
    filled = 0
    for name in sorted(tensors):
        values = tensors[name]
        if filled and filled + values.nbytes > shard_bytes:
            shards.append({})
            filled = 0
        shards[-1][name] = values
        filled += values.nbytes
    if len(shards) == 1:
        write_tensors(folder / SINGLE, shards[0], dtype=dtype)
        return
    names = [f"model-{n:05}-of-{len(shards):05}.safetensors" for n in range(1, len(shards) + 1)]
    for name, shard in zip(names, shards, strict=True):
        write_tensors(folder / name, shard, dtype=dtype)
    width = 2 if dtype == "bfloat16" else 4
    total = sum(values.size for shard in shards for values in shard.values()) * width
    weight_map = {key: name for name, shard in zip(names, shards, strict=True) for key in shard}
    write_json(folder / INDEX, {"metadata": {"total_size": total}, "weight_map": weight_map})
