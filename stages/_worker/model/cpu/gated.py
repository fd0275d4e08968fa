"""silu(gate) * up for MindSpore's CPU kernels, with its gradient written out."""

from __future__ import annotations

from mindspore import Tensor, nn, ops
from mindspore.ops.operations import _grad_ops


class CpuGated(nn.Cell):
    """gate and up of one shape -> gate sigmoid(gate) up"""

    def __init__(self) -> None:
        super().__init__()
        self.compute = _Gated()

    def construct(self, gate: Tensor, up: Tensor) -> Tensor:
        return self.compute(gate, up)[0]


class _Gated(nn.Cell):
    """-> (silu(gate) up, sigmoid(gate), silu(gate)); the last two are there for the gradient."""

    def __init__(self) -> None:
        super().__init__()
        self.sigmoid = ops.Sigmoid()
        self.sigmoid_gradient = _grad_ops.SigmoidGrad()

    def construct(self, gate: Tensor, up: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        open_share = self.sigmoid(gate)
        passed = gate * open_share
        return passed * up, open_share, passed

    def bprop(
        self,
        gate: Tensor,
        up: Tensor,
        out: tuple[Tensor, Tensor, Tensor],
        gradient: tuple[Tensor, Tensor, Tensor],
    ) -> tuple[Tensor, Tensor]:
        """With s = sigmoid(gate): dgate = g up (s + gate s (1 - s)), dup = g gate s."""
        g = gradient[0]
        _, open_share, passed = out
        slope = open_share + self.sigmoid_gradient(open_share, gate)
        return g * up * slope, g * passed
