"""Rotary positions for MindSpore's CPU kernels, with their gradient written out."""

from __future__ import annotations

import numpy as np
from mindspore import Tensor, nn, ops

from stages._worker.model.cpu.spread import spread_over_heads


def half_turn(head_dim: int) -> np.ndarray:
    """(D, D) fp32: a row (a, b) of two halves times it is (-b, a). Each sum has one term, so nothing is rounded."""
    half = head_dim // 2
    turn = np.zeros((head_dim, head_dim), np.float32)
    turn[half:, :half] = -np.eye(half)
    turn[:half, half:] = np.eye(half)
    return turn


class CpuRotate(nn.Cell):
    """x (B, T, heads, D), cos and sin (B or 1, T, 1, D) -> (B, T, heads, D), as `rotate`. The tables get no gradient."""

    def __init__(self, head_dim: int) -> None:
        super().__init__()
        self.rows = _RotateRows(head_dim)

    def construct(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        batch, _, heads, dim = x.shape
        cos = ops.reshape(spread_over_heads(cos, batch, heads), (-1, dim))
        sin = ops.reshape(spread_over_heads(sin, batch, heads), (-1, dim))
        return ops.reshape(self.rows(ops.reshape(x, (-1, dim)), cos, sin), x.shape)


class _RotateRows(nn.Cell):
    """x, cos and sin (N, D) -> (N, D)"""

    def __init__(self, head_dim: int) -> None:
        super().__init__()
        self.turn = Tensor(half_turn(head_dim))
        self.matmul = ops.MatMul()
        self.matmul_back = ops.MatMul(transpose_b=True)

    def construct(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        return x * cos + self.matmul(x, self.turn) * sin

    def bprop(
        self, x: Tensor, cos: Tensor, sin: Tensor, out: Tensor, gradient: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        dx = gradient * cos + self.matmul_back(gradient * sin, self.turn)
        return dx, ops.zeros_like(cos), ops.zeros_like(sin)
