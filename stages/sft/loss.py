"""Cross entropy over answers in packed rows, as a Cell for the shared train step."""

import mindspore as ms
from mindspore import Tensor, nn, ops

from stages._worker.model.device import TokenLogProbs
from stages._worker.model.qwen3 import Qwen3ForCausalLM


class AnswerLoss(nn.Cell):
    """inputs, targets, segments (B, S) int32 and counted (B, S) fp32
    -> (mean loss over counted tokens, mean loss of each row (B,)).

    A token sees the earlier tokens of its own segment. Rotary positions are relative, so a sample in the middle
    of a row computes as it would alone.
    """

    def __init__(self, network: Qwen3ForCausalLM) -> None:
        super().__init__(auto_prefix=False)
        self.network = network
        self.log_probs = TokenLogProbs()

    def construct(
        self, inputs: Tensor, targets: Tensor, counted: Tensor, segments: Tensor
    ) -> tuple[Tensor, Tensor]:
        batch, width = inputs.shape
        network = self.network
        cos = ops.reshape(network.cos[:width], (1, 1, width, -1))
        sin = ops.reshape(network.sin[:width], (1, 1, width, -1))
        later = ops.reshape(network.blocked[:width, :width], (1, 1, width, width))
        foreign = ops.not_equal(
            ops.reshape(segments, (batch, 1, width, 1)), ops.reshape(segments, (batch, 1, 1, width))
        )
        blocked = ops.maximum(later, ops.cast(foreign, later.dtype))
        logits = network.logits(network.model(inputs, cos, sin, blocked))
        flat = ops.reshape(logits, (batch * width, -1))
        losses = -self.log_probs(flat, ops.reshape(targets, (-1,)))
        losses = ops.reshape(losses, (batch, width)) * counted
        rows = ops.sum(losses, 1) / ops.maximum(ops.sum(counted, 1), Tensor(1.0, ms.float32))
        return ops.sum(losses) / ops.sum(counted), rows
