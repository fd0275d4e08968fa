"""Weights of a network: drawn from a seed, taken out, put in."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from mindspore import Tensor, nn

from stages._worker.failures import DataError
from stages._worker.model.tensor_folder import FolderTensors


def initialise(network: nn.Cell, *, seed: int, linear_std: float, embedding_std: float) -> None:
    """Normal weights; each tensor depends on (seed, its name) only. Norms stay 1."""
    for name, parameter in network.parameters_dict().items():
        if parameter.ndim < 2:
            continue
        deviation = embedding_std if name.endswith("embed_tokens.weight") else linear_std
        stream = np.random.Generator(np.random.Philox(key=[seed, zlib.crc32(name.encode())]))
        values = stream.standard_normal(parameter.shape, np.float32) * np.float32(deviation)
        parameter.set_data(Tensor(values))


def weights_of(network: nn.Cell) -> dict[str, np.ndarray]:
    """Copies of all weights, by Hugging Face name."""
    return {name: parameter.asnumpy().copy() for name, parameter in network.parameters_dict().items()}


def set_weights(network: nn.Cell, tensors: Mapping[str, np.ndarray], *, where: str) -> None:
    """Gives every weight of the network its tensor; names and shapes have to agree, both ways."""
    parameters = network.parameters_dict()
    missing = sorted(set(parameters) - set(tensors))
    if missing:
        raise DataError(f"{where}: {len(missing)} weights are missing, the first is {missing[0]}")
    # Some writers store the tied output layer again.
    unknown = sorted(set(tensors) - set(parameters) - {"lm_head.weight"})
    if unknown:
        raise DataError(f"{where}: {len(unknown)} weights are unknown, the first is {unknown[0]}")
    for name, parameter in parameters.items():
        values = tensors[name]
        if tuple(values.shape) != tuple(parameter.shape):
            raise DataError(f"{where}: {name} has shape {values.shape}, expected {parameter.shape}")
        if not np.isfinite(values).all():
            raise DataError(f"{where}: {name} holds a value that is no finite number")
        parameter.set_data(Tensor(values.astype(np.float32, copy=False)))


def load_weights(network: nn.Cell, folder: Path) -> None:
    """Reads the safetensors of a Hugging Face folder into the network."""
    set_weights(network, FolderTensors(folder), where=str(folder))
