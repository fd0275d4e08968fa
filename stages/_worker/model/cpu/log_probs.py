"""Output layer and log-probabilities in one, for MindSpore's CPU kernels, with the gradient written out."""

from __future__ import annotations

from mindspore import Tensor, nn, ops

from stages._worker.model.cpu.spread import spread

# Just above the least fp32 number of full precision: a probability of 0 counts as this one, -85.2 nats.
_LEAST = 1e-37


class CpuTokenLogProbs(nn.Cell):
    """hidden (N, E), table (V, E), targets (N,) int32 -> log p of each target (N,)."""

    def __init__(self) -> None:
        super().__init__()
        self.compute = _TokenLogProbs()

    def construct(self, hidden: Tensor, table: Tensor, targets: Tensor) -> Tensor:
        return self.compute(hidden, table, targets)[0]


class _TokenLogProbs(nn.Cell):
    """-> (log p of each target (N,), p of every token (N, V)); the second is there for the gradient."""

    def __init__(self) -> None:
        super().__init__()
        self.softmax = ops.Softmax(-1)
        self.matmul = ops.MatMul()
        self.matmul_across = ops.MatMul(transpose_b=True)
        self.matmul_down = ops.MatMul(transpose_a=True)
        self.sum_by = ops.UnsortedSegmentSum()

    def construct(self, hidden: Tensor, table: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        shares = self.softmax(self.matmul_across(hidden, table))
        chosen = ops.squeeze(ops.gather_elements(shares, 1, ops.expand_dims(targets, 1)), 1)
        # Added, not taken as the larger: a value that is no number stays one.
        return ops.log(chosen + _LEAST), shares

    def bprop(
        self,
        hidden: Tensor,
        table: Tensor,
        targets: Tensor,
        out: tuple[Tensor, Tensor],
        gradient: tuple[Tensor, Tensor],
    ) -> tuple[Tensor, Tensor, Tensor]:
        """With g the gradient of log p: that of the logits is g (1 at the target - p), and is never made.

        dhidden = g (table[target] - p table), dtable = sum over the rows of each target (g hidden) - p' (g hidden).
        """
        shares = out[1]
        weights = spread(ops.reshape(gradient[0], (-1, 1)), hidden.shape[1])
        weighted = hidden * weights
        of_hidden = weights * (ops.gather(table, targets, 0) - self.matmul(shares, table))
        of_table = self.sum_by(weighted, targets, table.shape[0]) - self.matmul_down(shares, weighted)
        return of_hidden, of_table, ops.zeros_like(targets)
