"""DAPO's loss as a Cell for the shared train step: asymmetric clip, mean over tokens, no KL term."""

import mindspore as ms
from mindspore import Tensor, nn, ops

from stages._worker.model import device
from stages._worker.model.qwen3 import Qwen3ForCausalLM
from stages._worker.training.train_step import NextTokenLoss


class AnswerLogProbs(nn.Cell):
    """tokens (B, P+A) int32, padding (B,) int32 -> log-probabilities (B, A) fp32 of the last A tokens.

    Prompts fill P places and end at the same column: `padding` places at their left are seen by nobody. Only the
    A answer places go through the output layer, whose (B, A, V) is the largest array of the whole step.
    """

    def __init__(self, network: Qwen3ForCausalLM, *, prompt: int, temperature: float) -> None:
        super().__init__(auto_prefix=False)
        self.network = network
        self.prompt = prompt
        self.temperature = temperature
        self.log_probs = device.token_log_probs()

    def construct(self, tokens: Tensor, padding: Tensor) -> Tensor:
        batch, places = tokens.shape
        width = places - 1
        network = self.network
        cos, sin, later = network.positions(width)
        columns = ops.reshape(ops.arange(0, width, 1, dtype=ms.int32), (1, 1, 1, width))
        unseen = ops.less(columns, ops.reshape(padding, (batch, 1, 1, 1)))
        blocked = ops.maximum(later, ops.cast(unseen, later.dtype))
        hidden = network.model(tokens[:, :-1], cos, sin, blocked)
        answers = places - self.prompt
        flat = ops.reshape(hidden[:, self.prompt - 1 :] / self.temperature, (batch * answers, -1))
        targets = ops.reshape(tokens[:, self.prompt :], (-1,))
        return ops.reshape(self.log_probs(flat, network.table(), targets), (batch, answers))


class DapoLoss(nn.Cell):
    """-sum(min(r A, clip(r, 1-low, 1+high) A)) / tokens, with r = p / p of the rollout.

    tokens (B, P+A) int32, padding (B,) int32, counted (B, A) fp32 with 1 on answer tokens, old (B, A) fp32
    log-probabilities of the rollout, advantages (B,) fp32
    -> (loss, [share of clipped tokens, entropy estimate, mean ratio]).
    The entropy estimate is the mean of -log p over the drawn tokens.
    """

    def __init__(self, log_probs: AnswerLogProbs, *, clip_low: float, clip_high: float) -> None:
        super().__init__(auto_prefix=False)
        self.log_probs = log_probs
        self.lowest = 1.0 - clip_low
        self.highest = 1.0 + clip_high

    def construct(
        self, tokens: Tensor, padding: Tensor, counted: Tensor, old: Tensor, advantages: Tensor
    ) -> tuple[Tensor, Tensor]:
        new = self.log_probs(tokens, padding)
        ratio = ops.exp((new - old) * counted)
        gain = ops.expand_dims(advantages, 1)
        bounded = ops.clip_by_value(ratio, self.lowest, self.highest)
        kept = ops.minimum(ratio * gain, bounded * gain)
        total = ops.sum(counted)
        loss = -ops.sum(kept * counted) / total
        clipped = ops.cast(ops.less(bounded * gain, ratio * gain), ms.float32)
        return loss, ops.stop_gradient(
            ops.stack(
                (
                    ops.sum(clipped * counted) / total,
                    -ops.sum(new * counted) / total,
                    ops.sum(ratio * counted) / total,
                )
            )
        )


class DapoLossWithReplay(nn.Cell):
    """(1 - share) x DAPO's loss + share x the mean loss of replayed documents over their tokens.

    The arrays of DapoLoss, then tokens (R, L+1) int32 and weights (R, L) fp32 of the documents
    -> (loss, the measures of DapoLoss and the documents' mean loss).
    """

    def __init__(self, dapo: DapoLoss, documents: NextTokenLoss, *, share: float) -> None:
        super().__init__(auto_prefix=False)
        self.dapo = dapo
        self.documents = documents
        self.share = share

    def construct(
        self,
        tokens: Tensor,
        padding: Tensor,
        counted: Tensor,
        old: Tensor,
        advantages: Tensor,
        replayed: Tensor,
        weights: Tensor,
    ) -> tuple[Tensor, Tensor]:
        loss, measures = self.dapo(tokens, padding, counted, old, advantages)
        plain, _ = self.documents(replayed, weights)
        measured = ops.concat((measures, ops.stop_gradient(ops.reshape(plain, (1,)))))
        return (1.0 - self.share) * loss + self.share * plain, measured
