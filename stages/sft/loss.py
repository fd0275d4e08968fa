"""Cross entropy over answers in packed rows, as a Cell for the shared train step."""

import mindspore as ms
from mindspore import Tensor, nn, ops

from stages._worker.model import device
from stages._worker.model.qwen3 import Qwen3ForCausalLM


class AnswerLoss(nn.Cell):
    """inputs, targets, segments (B, S) int32 and counted (B, S) fp32
    -> (mean loss over counted tokens, mean loss of each row (B,)).

    A token sees the earlier tokens of its own segment. Rotary positions are relative, so a sample in the middle
    of a row computes as it would alone.
    """

    weights_at = 2

    def __init__(self, network: Qwen3ForCausalLM) -> None:
        super().__init__(auto_prefix=False)
        self.network = network
        self.log_probs = device.token_log_probs()

    def construct(
        self, inputs: Tensor, targets: Tensor, counted: Tensor, segments: Tensor
    ) -> tuple[Tensor, Tensor]:
        batch, width = inputs.shape
        hidden = self.network.hidden_in_segments(inputs, segments)
        flat = ops.reshape(hidden, (batch * width, -1))
        losses = -self.log_probs(flat, self.network.table(), ops.reshape(targets, (-1,)))
        losses = ops.reshape(losses, (batch, width)) * counted
        rows = ops.sum(losses, 1) / ops.maximum(ops.sum(counted, 1), Tensor(1.0, ms.float32))
        return ops.sum(losses) / ops.sum(counted), rows
