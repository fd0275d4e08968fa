"""Everything that differs between a CPU and an Ascend NPU: set-up, number format, and four operators.

The CPU side is what tests and the demo run. The Ascend side uses the fused operators of CANN for the same
formulas; `LEGALONE_DEVICE=ascend` chooses it.
"""

from __future__ import annotations

import os

import mindspore as ms
import mindspore.common.dtype as mstype
from mindspore import Tensor, communication, nn, ops

from stages._worker.failures import UserError


def target() -> str:
    """`CPU` or `Ascend`, from LEGALONE_DEVICE."""
    wanted = os.environ.get("LEGALONE_DEVICE", "cpu").lower()
    names = {"cpu": "CPU", "ascend": "Ascend"}
    if wanted not in names:
        raise UserError(f"LEGALONE_DEVICE is '{wanted}': expected cpu or ascend")
    return names[wanted]


def set_up() -> None:
    """Chooses the device and graph mode; call once, before the first Cell. Never falls back in silence."""
    ms.set_context(mode=ms.GRAPH_MODE)
    ms.set_device(target())
    seen = ms.get_context("device_target")
    if seen != target():
        raise UserError(f"LEGALONE_DEVICE asks for {target()}, but MindSpore runs on {seen}")


def join_ranks() -> None:
    """Meets the other processes that train together; collectives work from here on."""
    communication.init()


def compute_type() -> mstype.Type:
    """Number format of activations: the CPU has no bf16 matmul."""
    return ms.bfloat16 if target() == "Ascend" else ms.float32


def thread_count() -> int:
    """Threads that share the sums of a CPU operator; part of what bit-identity depends on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class CpuNorm(nn.Cell):
    """x / sqrt(mean(x^2) + eps), computed in fp32. The gradient is written out: half the kernels of the derived one."""

    def __init__(self, eps: float) -> None:
        super().__init__()
        self.eps = eps
        self.mean = ops.ReduceMean(keep_dims=True)
        self.sum = ops.ReduceSum()
        self.rsqrt = ops.Rsqrt()

    def construct(self, x: Tensor, weight: Tensor) -> Tensor:
        return x * self.rsqrt(self.mean(x * x, -1) + self.eps) * weight

    def bprop(self, x: Tensor, weight: Tensor, out: Tensor, gradient: Tensor) -> tuple[Tensor, Tensor]:
        """With n = x r and r = 1/sqrt(mean(x^2) + eps): dx = r (g w - n mean(g w n)), dw = sum(g n)."""
        scale = self.rsqrt(self.mean(x * x, -1) + self.eps)
        normed = x * scale
        product = gradient * normed
        of_weight = self.sum(ops.reshape(product, (-1, x.shape[-1])), 0)
        along = self.mean(product * weight, -1)
        return (gradient * weight - normed * along) * scale, of_weight


class AscendNorm(nn.Cell):
    """The fused kernel for CpuNorm's formula."""

    def __init__(self, eps: float) -> None:
        super().__init__()
        self.eps = eps

    def construct(self, x: Tensor, weight: Tensor) -> Tensor:
        return ops.rms_norm(x, weight, self.eps)[0]


class CpuEmbedding(nn.Cell):
    """Rows of a table."""

    def construct(self, table: Tensor, tokens: Tensor) -> Tensor:
        return ops.gather(table, tokens, 0)


class AscendEmbedding(nn.Cell):
    """Rows of a table, with the kernel whose gradient is deterministic."""

    def construct(self, table: Tensor, tokens: Tensor) -> Tensor:
        return ms.mint.nn.functional.embedding(tokens, table)


class CpuAttention(nn.Cell):
    """Grouped-query attention; queries of one group are stacked, so that keys need no copy.

    q (B, H, T, D), k and v (B, KV, L, D), blocked (B or 1, 1, T, L) true where a key must not be seen.
    Returns (B, H, T, D). A row with every key blocked gets the mean of all values, not NaN.
    """

    def __init__(self, head_dim: int) -> None:
        super().__init__()
        self.scale = head_dim**-0.5

    def construct(self, q: Tensor, k: Tensor, v: Tensor, blocked: Tensor) -> Tensor:
        batch, heads, width, dim = q.shape
        groups, length = k.shape[1], k.shape[2]
        stacked = ops.reshape(q, (batch, groups, (heads // groups) * width, dim))
        scores = ops.matmul(stacked, ops.transpose(k, (0, 1, 3, 2))) * self.scale
        scores = ops.reshape(scores, (batch, heads, width, length))
        scores = ops.softmax(scores + blocked * -1e9, -1)
        scores = ops.reshape(scores, (batch, groups, (heads // groups) * width, length))
        return ops.reshape(ops.matmul(scores, v), (batch, heads, width, dim))


class AscendAttention(nn.Cell):
    """The fused attention kernel; it takes fewer key heads than query heads as they are."""

    def __init__(self, head_dim: int) -> None:
        super().__init__()
        self.scale = head_dim**-0.5

    def construct(self, q: Tensor, k: Tensor, v: Tensor, blocked: Tensor) -> Tensor:
        mask = ops.cast(blocked, ms.uint8)
        return ops.flash_attention_score(
            q, k, v, q.shape[1], attn_mask=mask, scalar_value=self.scale, input_layout="BNSD"
        )


class TokenLogProbs(nn.Cell):
    """log p of each target: logits (N, V), targets (N,) int32 -> (N,), in fp32 on every device.

    On the CPU log_softmax and a gather are faster than cross_entropy (8.0k against 6.0k tokens/s in training).
    """

    def construct(self, logits: Tensor, targets: Tensor) -> Tensor:
        log_probs = ops.log_softmax(ops.cast(logits, ms.float32), -1)
        return ops.squeeze(ops.gather_elements(log_probs, 1, ops.expand_dims(targets, 1)), 1)


def norm(eps: float) -> nn.Cell:
    """RMS norm of this device."""
    return AscendNorm(eps) if target() == "Ascend" else CpuNorm(eps)


def embedding() -> nn.Cell:
    """Table look-up of this device."""
    return AscendEmbedding() if target() == "Ascend" else CpuEmbedding()


def attention(head_dim: int) -> nn.Cell:
    """Attention of this device."""
    return AscendAttention(head_dim) if target() == "Ascend" else CpuAttention(head_dim)
