"""Everything that differs between a CPU and an Ascend NPU: set-up, number format, and five operators.

The CPU side (cpu/) is what tests and the demo run. The Ascend side uses the fused operators of CANN for the same
formulas, and plain ones where there are none; `LEGALONE_DEVICE=ascend` chooses it.
"""

from __future__ import annotations

import os

import mindspore as ms
import mindspore.common.dtype as mstype
from mindspore import Tensor, communication, nn, ops

from stages._worker.failures import UserError
from stages._worker.model.cpu.attention import CpuAttention
from stages._worker.model.cpu.log_probs import CpuTokenLogProbs
from stages._worker.model.cpu.norm import CpuNorm
from stages._worker.model.cpu.rotary import CpuRotate
from stages._worker.model.rotary import rotate


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


class AscendAttention(nn.Cell):
    """The fused attention kernel, with the shapes of CpuAttention; it takes fewer key heads than query heads."""

    def __init__(self, head_dim: int) -> None:
        super().__init__()
        self.scale = head_dim**-0.5

    def construct(self, q: Tensor, k: Tensor, v: Tensor, blocked: Tensor) -> Tensor:
        batch, width, heads, dim = q.shape
        mask = ops.cast(blocked, ms.uint8)
        by_head = ops.transpose(q, (0, 2, 1, 3))
        mixed = ops.flash_attention_score(
            by_head, k, v, heads, attn_mask=mask, scalar_value=self.scale, input_layout="BNSD"
        )
        return ops.reshape(ops.transpose(mixed, (0, 2, 1, 3)), (batch, width, heads * dim))


class Rotate(nn.Cell):
    """x (B, T, heads, D), cos and sin (B or 1, T, 1, D) -> (B, T, heads, D)"""

    def construct(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        return rotate(x, cos, sin)


class TokenLogProbs(nn.Cell):
    """hidden (N, E), table (V, E), targets (N,) int32 -> log p of each target (N,), in fp32 on every device."""

    def __init__(self) -> None:
        super().__init__()
        self.unembed = ops.MatMul(transpose_b=True)

    def construct(self, hidden: Tensor, table: Tensor, targets: Tensor) -> Tensor:
        logits = self.unembed(hidden, ops.cast(table, hidden.dtype))
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


def rotation(head_dim: int) -> nn.Cell:
    """Rotary positions of this device."""
    return Rotate() if target() == "Ascend" else CpuRotate(head_dim)


def token_log_probs() -> nn.Cell:
    """Output layer and log-probabilities of this device."""
    return TokenLogProbs() if target() == "Ascend" else CpuTokenLogProbs()
