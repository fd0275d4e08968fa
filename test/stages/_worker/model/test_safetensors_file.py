from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from stages._worker.failures import DataError
from stages._worker.model.safetensors_file import TensorFile, write_tensors
from stages._worker.model.tensor_folder import FolderTensors, save_weights


def tensors() -> dict[str, np.ndarray]:
    stream = np.random.default_rng(0)
    shapes = {"a.weight": (3, 4), "b.weight": (5,), "c.weight": (2, 2, 2)}
    return {name: stream.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}


def test_fp32_is_what_the_package_reads(tmp_path: Path) -> None:
    write_tensors(tmp_path / "x.safetensors", tensors())
    theirs = load_file(tmp_path / "x.safetensors")
    ours = TensorFile(tmp_path / "x.safetensors")
    for name, values in tensors().items():
        assert np.array_equal(theirs[name], values) and np.array_equal(ours.read(name), values)


def test_bf16_is_rounded_to_nearest_even_and_widened_again(tmp_path: Path) -> None:
    # 1 + 2^-8 lies between two bf16 numbers, at equal distance; the even one is 1. 1 + 3 * 2^-8 goes up.
    values = np.array([1 + 2**-8, 1 + 3 * 2**-8, -2.5, 0.0, np.inf, np.nan], np.float32)
    write_tensors(tmp_path / "x.safetensors", {"w": values}, dtype="bfloat16")
    read = TensorFile(tmp_path / "x.safetensors").read("w")
    assert read.tolist()[:5] == [1.0, 1.015625, -2.5, 0.0, np.inf] and np.isnan(read[5])
    assert read.dtype == np.float32


def test_shards_hold_everything_once(tmp_path: Path) -> None:
    save_weights(tensors(), tmp_path, shard_bytes=60)
    assert len(list(tmp_path.glob("*.safetensors"))) == 2
    found = FolderTensors(tmp_path)
    assert {name: found.shape(name) for name in found} == {k: v.shape for k, v in tensors().items()}
    assert all(np.array_equal(found[name], values) for name, values in tensors().items())


@pytest.mark.parametrize("cut", [4, 60, -4])
def test_a_torn_file_is_refused(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "x.safetensors"
    write_tensors(path, tensors())
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(DataError, match=r"x\.safetensors"):
        TensorFile(path)
