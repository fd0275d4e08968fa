"""Value and gradient of one Cell as one graph."""

from collections.abc import Callable

import mindspore as ms
from mindspore import Tensor, nn, ops


class _Weighted(nn.Cell):
    def __init__(self, cell: nn.Cell, weights: Tensor) -> None:
        super().__init__()
        self.cell = cell
        self.weights = weights

    def construct(self, *inputs: Tensor) -> Tensor:
        return ops.sum(self.cell(*inputs) * self.weights)


class _Gradient(nn.Cell):
    def __init__(self, cell: nn.Cell, places: tuple[int, ...]) -> None:
        super().__init__()
        self.differentiate = ms.grad(cell, places)

    def construct(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        return self.differentiate(*inputs)


def gradient_of(cell: nn.Cell, weights: Tensor, count: int) -> Callable[..., tuple[Tensor, ...]]:
    """Gradient of the sum of `weights` times what `cell` computes, for the first `count` inputs."""
    compute = _Gradient(_Weighted(cell, weights), tuple(range(count)))

    def run(*inputs: Tensor) -> tuple[Tensor, ...]:
        found = compute(*inputs)
        return found if isinstance(found, tuple) else (found,)

    return run
