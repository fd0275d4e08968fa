"""Rotary positions as transformers computes them for Qwen3 (two halves, not interleaved)."""

from __future__ import annotations

import numpy as np
from mindspore import Tensor, ops


def rotary_table(length: int, head_dim: int, theta: float) -> tuple[np.ndarray, np.ndarray]:
    """cos and sin, each (length, head_dim) fp32."""
    exponents = np.arange(0, head_dim, 2, dtype=np.float32) / np.float32(head_dim)
    frequencies = (np.float32(1.0) / np.float32(theta) ** exponents).astype(np.float32)
    angles = np.arange(length, dtype=np.float32)[:, None] * frequencies[None, :]
    angles = np.concatenate([angles, angles], axis=-1)
    return np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32)


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """x (..., D); cos and sin broadcast against it."""
    half = x.shape[-1] // 2
    turned = ops.concat((-x[..., half:], x[..., :half]), -1)
    return x * cos + turned * sin
