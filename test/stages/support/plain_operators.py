"""The model's operators said plainly, for what the CPU's and the Ascend's own are compared with."""

from mindspore import Tensor, nn, ops


class PlainNorm(nn.Cell):
    """RMS norm over the last axis."""

    def __init__(self, eps: float) -> None:
        super().__init__()
        self.eps = eps

    def construct(self, x: Tensor, weight: Tensor) -> Tensor:
        return x * ops.rsqrt(ops.mean(x * x, -1, True) + self.eps) * weight


class PlainAttention(nn.Cell):
    """q (B, T, H, D), k and v (B, K, L, D): keys and values copied for every query head, the mask broadcast."""

    def construct(self, q: Tensor, k: Tensor, v: Tensor, blocked: Tensor) -> Tensor:
        batch, width, heads, dim = q.shape
        share = heads // k.shape[1]
        keys, values = ops.repeat_interleave(k, share, 1), ops.repeat_interleave(v, share, 1)
        scores = ops.matmul(ops.transpose(q, (0, 2, 1, 3)), ops.transpose(keys, (0, 1, 3, 2))) * dim**-0.5
        mixed = ops.matmul(ops.softmax(scores + blocked * -1e9, -1), values)
        return ops.reshape(ops.transpose(mixed, (0, 2, 1, 3)), (batch, width, heads * dim))
