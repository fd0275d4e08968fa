"""Columns and masks at the shape of what they meet.

MindSpore's CPU kernels take three to four times as long for a product, sum or difference that broadcasts as for one
of equal shapes, and six times as long for a sum over the last of several axes as for one over the last of two.
"""

from __future__ import annotations

from mindspore import Tensor, ops


def spread(column: Tensor, width: int) -> Tensor:
    """column (N, 1) -> (N, width): each value in every place of its row. Exact, though it is a matrix product."""
    return ops.MatMul()(column, ops.ones((1, width), column.dtype))


def spread_over_heads(table: Tensor, batch: int, heads: int) -> Tensor:
    """table (batch or 1, T, 1, D) -> (batch, T, heads, D)"""
    return ops.tile(table, (batch // table.shape[0], 1, heads, 1))
