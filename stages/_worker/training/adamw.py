"""AdamW with exact bias correction: equal to torch.optim.AdamW for the same gradients."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from mindspore import Parameter, ParameterTuple, Tensor, nn, ops


@dataclass(kw_only=True, slots=True, frozen=True)
class AdamWSettings:
    """Defaults are those of the recipe."""

    beta1: float = 0.9
    beta2: float = 0.95
    eps: float = 1e-8
    weight_decay: float = 0.1
    clip: float = 1.0
    """Largest global norm of the gradients."""

    def scalars(self, learning_rate: float, update: int) -> tuple[Tensor, ...]:
        """What changes with every update (1, 2, …), as tensors: a number would compile the graph again.

        The kernel computes lr sqrt(1-b2^t)/(1-b1^t) m / (sqrt(v) + eps'); torch divides sqrt(v) by
        sqrt(1-b2^t) before it adds eps, so eps' = eps sqrt(1-b2^t).
        """
        power1 = self.beta1**update
        power2 = self.beta2**update
        numbers = (
            learning_rate,
            power1,
            power2,
            self.eps * (1 - power2) ** 0.5,
            1 - learning_rate * self.weight_decay,
        )
        return tuple(Tensor(np.float32(number)) for number in numbers)


class AdamW(nn.Cell):
    """Updates parameters in place. Weights of two or more dimensions decay, norms do not."""

    def __init__(self, parameters: list[Parameter], settings: AdamWSettings) -> None:
        super().__init__(auto_prefix=False)
        self.parameters = ParameterTuple(parameters)
        self.first = self.parameters.clone(prefix="adam_m", init="zeros")
        self.second = self.parameters.clone(prefix="adam_v", init="zeros")
        self.decays = tuple(parameter.ndim >= 2 for parameter in parameters)
        self.beta1 = Tensor(np.float32(settings.beta1))
        self.beta2 = Tensor(np.float32(settings.beta2))
        self.adam = ops.Adam()

    def construct(
        self,
        gradients: tuple[Tensor, ...],
        learning_rate: Tensor,
        power1: Tensor,
        power2: Tensor,
        eps: Tensor,
        keep: Tensor,
    ) -> bool:
        done = True
        for i in range(len(self.parameters)):
            weight = self.parameters[i]
            if self.decays[i]:
                done = ops.depend(done, ops.assign(weight, weight * keep))
            step = self.adam(
                ops.depend(weight, done),
                self.first[i],
                self.second[i],
                power1,
                power2,
                learning_rate,
                self.beta1,
                self.beta2,
                eps,
                gradients[i],
            )
            done = ops.depend(done, step)
        return done

    def moments(self) -> dict[str, Parameter]:
        """The state of the optimizer: `adam_m.<name>` and `adam_v.<name>`."""
        return {moment.name: moment for moment in (*self.first, *self.second)}
