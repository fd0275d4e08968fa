"""Loss on the answers of held-out samples, before and after, with the graph shape of training."""

import numpy as np
from mindspore import Tensor

from stages._worker.inference.bootstrap import Interval, ratio_interval
from stages.sft.data import Samples, stack
from stages.sft.loss import AnswerLoss
from stages.sft.packing import fill_row


class HeldoutLoss:
    """Mean loss a counted token over held-out samples, each in a row of its own."""

    def __init__(
        self, loss: AnswerLoss, samples: Samples, *, most: int, batch: int, length: int, padding: int
    ) -> None:
        self._loss = loss
        self._batch = batch
        self._rows = [fill_row([made], length=length, padding=padding) for made in samples.tokens[:most]]

    def __len__(self) -> int:
        """Samples that are measured."""
        return len(self._rows)

    def measure(self, seed: int) -> Interval:
        """Value and bootstrap interval over samples."""
        means, counts = [], []
        for begin in range(0, len(self._rows), self._batch):
            part = self._rows[begin : begin + self._batch]
            # The last batch is filled up, so that no other shape compiles.
            padded = part + [part[-1]] * (self._batch - len(part))
            _, rows = self._loss(*(Tensor(array) for array in stack(padded)))
            means.append(rows.asnumpy()[: len(part)])
            counts.append(np.array([row.counted.sum() for row in part]))
        tokens = np.concatenate(counts).astype(np.float64)
        return ratio_interval(np.concatenate(means) * tokens, tokens, seed=seed)
