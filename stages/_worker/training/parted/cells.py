"""An update in three graphs: gradients of a part are added up, then shared among ranks, then applied.

For what one graph cannot do: a batch in parts, a decision between gradient and update, several processes.
"""

from __future__ import annotations

import mindspore as ms
from mindspore import Parameter, ParameterTuple, Tensor, nn, ops

from stages._worker.training.adamw import AdamW


class Accumulate(nn.Cell):
    """Adds `weight` times the gradient of the mean loss of one part to the sums.

    weight () fp32, then the inputs of the loss Cell -> (mean loss of the part, second output of the loss Cell).
    """

    def __init__(self, loss: nn.Cell, parameters: ParameterTuple, sums: ParameterTuple) -> None:
        super().__init__(auto_prefix=False)
        self.sums = sums
        self.differentiate = ms.value_and_grad(loss, None, parameters, has_aux=True)

    def construct(self, weight: Tensor, *batch: Tensor) -> tuple[Tensor, Tensor]:
        (loss, extra), gradients = self.differentiate(*batch)
        done = True
        for i in range(len(self.sums)):
            part = ops.cast(gradients[i], ms.float32) * weight
            done = ops.depend(done, ops.assign_add(self.sums[i], part))
        return ops.depend(loss, done), extra


class Reduce(nn.Cell):
    """Turns the sums of all ranks into the gradient of the mean over all weighted tokens.

    numbers (3,) fp32 of this rank: weighted tokens, sum of their losses, 1 when it was told to stop
    -> (the same three summed over all ranks, global norm of the gradient, second outputs of all ranks (ranks, …)).
    """

    def __init__(self, sums: ParameterTuple, ranks: int) -> None:
        super().__init__(auto_prefix=False)
        self.sums = sums
        self.several = ranks > 1
        if self.several:
            self.all_reduce = ops.AllReduce()
            self.all_gather = ops.AllGather()

    def construct(self, numbers: Tensor, extra: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        if self.several:
            numbers = self.all_reduce(numbers)
            extra = self.all_gather(extra)
        squares = ops.zeros((), ms.float32)
        done = True
        for i in range(len(self.sums)):
            total = ops.depend(self.sums[i], done)
            if self.several:
                total = self.all_reduce(total)
            gradient = total / numbers[0]
            squares = squares + ops.sum(ops.square(gradient))
            done = ops.depend(done, ops.assign(self.sums[i], gradient))
        return ops.depend(numbers, done), ops.sqrt(squares), extra


class Apply(nn.Cell):
    """AdamW with `scale` times the gradient in the sums."""

    def __init__(self, optimizer: AdamW, sums: ParameterTuple) -> None:
        super().__init__(auto_prefix=False)
        self.optimizer = optimizer
        self.sums = sums

    def construct(
        self, scale: Tensor, learning_rate: Tensor, power1: Tensor, power2: Tensor, eps: Tensor, keep: Tensor
    ) -> bool:
        clipped = ()
        for total in self.sums:
            clipped = (*clipped, total * scale)
        return self.optimizer(clipped, learning_rate, power1, power2, eps, keep)


class Clear(nn.Cell):
    """Sets the sums to zero."""

    def __init__(self, sums: ParameterTuple) -> None:
        super().__init__(auto_prefix=False)
        self.sums = sums

    def construct(self) -> bool:
        done = True
        for total in self.sums:
            done = ops.depend(done, ops.assign(total, ops.zeros_like(total)))
        return done


def zeros_like(parameters: list[Parameter]) -> ParameterTuple:
    """One sum for each parameter."""
    return ParameterTuple(parameters).clone(prefix="gradient", init="zeros")
