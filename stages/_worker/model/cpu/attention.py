"""Grouped-query attention for MindSpore's CPU kernels, with its gradient written out."""

from __future__ import annotations

from mindspore import Tensor, nn, ops


class CpuAttention(nn.Cell):
    """q (B, T, H, D), k and v (B, K, L, D), blocked (B or 1, 1, T, L) 1 where a key must not be seen -> (B, T, H D).

    The queries of one group are stacked, so that keys need no copy. A row with every key blocked gets the mean of
    all values, not NaN.
    """

    def __init__(self, head_dim: int) -> None:
        super().__init__()
        self.scale = head_dim**-0.5
        self.stacks = _AttendStacks()

    def construct(self, q: Tensor, k: Tensor, v: Tensor, blocked: Tensor) -> Tensor:
        batch, width, heads, dim = q.shape
        groups, length = k.shape[1], k.shape[2]
        share = heads // groups
        mixed, _ = self.stacks(
            ops.reshape(self.by_group(q, groups), (batch * groups, width * share, dim)),
            ops.reshape(k * self.scale, (batch * groups, length, dim)),
            ops.reshape(v, (batch * groups, length, dim)),
            self.penalties(blocked, batch, groups, share),
        )
        if groups > 1:
            mixed = ops.transpose(ops.reshape(mixed, (batch, groups, width, share * dim)), (0, 2, 1, 3))
        return ops.reshape(mixed, (batch, width, heads * dim))

    def by_group(self, q: Tensor, groups: int) -> Tensor:
        """q (B, T, H, D) -> (B, K, T, H/K D); with one group the order in memory is right already."""
        batch, width, heads, dim = q.shape
        if groups == 1:
            return q
        return ops.transpose(ops.reshape(q, (batch, width, groups, heads // groups * dim)), (0, 2, 1, 3))

    def penalties(self, blocked: Tensor, batch: int, groups: int, share: int) -> Tensor:
        """blocked (B or 1, 1, T, L) -> (B K, T H/K, L): what is added to the scores, at their full shape."""
        some, _, width, length = blocked.shape
        rows = ops.tile(ops.reshape(blocked * -1e9, (some, width, 1, length)), (1, 1, share, 1))
        stacks = ops.tile(ops.reshape(rows, (some, 1, width * share, length)), (batch // some, groups, 1, 1))
        return ops.reshape(stacks, (batch * groups, width * share, length))


class _AttendStacks(nn.Cell):
    """q (S, R, D), k and v (S, L, D), penalties (S, R, L) -> (mixed values (S, R, D), shares (S, R, L)).

    The shares are there for the gradient and have none themselves; neither have the penalties.
    """

    def __init__(self) -> None:
        super().__init__()
        self.softmax = ops.Softmax(-1)
        self.matmul = ops.BatchMatMul()
        self.matmul_across = ops.BatchMatMul(transpose_b=True)
        self.matmul_down = ops.BatchMatMul(transpose_a=True)
        self.beside = ops.Concat(-1)
        self.sum = ops.ReduceSum(keep_dims=True)

    def construct(self, q: Tensor, k: Tensor, v: Tensor, penalties: Tensor) -> tuple[Tensor, Tensor]:
        shares = self.softmax(self.matmul_across(q, k) + penalties)
        return self.matmul(shares, v), shares

    def bprop(
        self,
        q: Tensor,
        k: Tensor,
        v: Tensor,
        penalties: Tensor,
        out: tuple[Tensor, Tensor],
        gradient: tuple[Tensor, Tensor],
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """With p the shares and g the gradient of o = p v: ds = p (g v' - sum(g o)), the sum over D.

        The sum goes into the product as one more column, against one of -1: nothing is added at the size of p.
        """
        g = gradient[0]
        mixed, shares = out
        stacks, rows, dim = q.shape
        sums = self.sum(ops.reshape(g * mixed, (stacks * rows, dim)), -1)
        more = self.beside((g, ops.reshape(sums, (stacks, rows, 1))))
        minus = ops.full((stacks, k.shape[1], 1), -1.0, dtype=v.dtype)
        of_scores = shares * self.matmul_across(more, self.beside((v, minus)))
        return (
            self.matmul(of_scores, k),
            self.matmul_down(of_scores, q),
            self.matmul_down(shares, g),
            ops.zeros_like(penalties),
        )
