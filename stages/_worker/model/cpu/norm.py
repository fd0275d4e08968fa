"""RMS norm for MindSpore's CPU kernels, with its gradient written out."""

from __future__ import annotations

from mindspore import Tensor, nn, ops

from stages._worker.model.cpu.spread import spread


class CpuNorm(nn.Cell):
    """x / sqrt(mean(x^2) + eps) * weight over the last axis: x (..., n), weight (n,) -> (..., n), in fp32."""

    def __init__(self, eps: float) -> None:
        super().__init__()
        self.rows = _NormOfRows(eps)

    def construct(self, x: Tensor, weight: Tensor) -> Tensor:
        size = x.shape[-1]
        normed, _ = self.rows(ops.reshape(x, (-1, size)), ops.reshape(weight, (1, size)))
        return ops.reshape(normed, x.shape)


class _NormOfRows(nn.Cell):
    """x (N, n), weight (1, n) -> (normed (N, n), 1 / sqrt(mean(x^2) + eps) (N, 1)). The second has no gradient."""

    def __init__(self, eps: float) -> None:
        super().__init__()
        self.eps = eps
        self.mean = ops.ReduceMean(keep_dims=True)
        self.rsqrt = ops.Rsqrt()
        self.matmul = ops.MatMul()
        self.matmul_across = ops.MatMul(transpose_b=True)
        self.matmul_down = ops.MatMul(transpose_a=True)

    def construct(self, x: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
        scale = self.rsqrt(self.mean(ops.square(x), -1) + self.eps)
        return x * self.matmul(scale, weight), scale

    def bprop(
        self, x: Tensor, weight: Tensor, out: tuple[Tensor, Tensor], gradient: tuple[Tensor, Tensor]
    ) -> tuple[Tensor, Tensor]:
        """With r = 1/sqrt(mean(x^2) + eps): dx = r g w - x r^3 mean(g w x), dw = sum(r g x) over the rows."""
        scale, g = out[1], gradient[0]
        product = g * x
        along = self.matmul_across(product, weight) * scale * scale * scale * (-1.0 / x.shape[-1])
        dx = g * self.matmul(scale, weight) + x * spread(along, x.shape[-1])
        return dx, self.matmul_down(scale, product)
