"""The operators of the CPU compute what the plain ones do, and their written-out gradients what MindSpore derives."""

from collections.abc import Callable

import numpy as np
import pytest
from mindspore import Tensor, nn
from support.gradients import gradient_of
from support.plain_operators import PlainAttention, PlainNorm

from stages._worker.model import device
from stages._worker.model.cpu.attention import CpuAttention
from stages._worker.model.cpu.log_probs import CpuTokenLogProbs
from stages._worker.model.cpu.norm import CpuNorm
from stages._worker.model.cpu.rotary import CpuRotate
from stages._worker.model.device import Rotate, TokenLogProbs
from stages._worker.model.rotary import rotary_table

STREAM = np.random.default_rng(11)
EPS = 1e-6


@pytest.fixture(autouse=True, scope="module")
def set_up() -> None:
    device.set_up()


def drawn(*shape: int, size: float = 1.0) -> np.ndarray:
    return (size * STREAM.standard_normal(shape)).astype(np.float32)


def causal(width: int, length: int) -> np.ndarray:
    return np.triu(np.ones((1, 1, width, length), np.float32), 1 + length - width)


def foreign(batch: int, width: int) -> np.ndarray:
    """Causal, with two segments a row that begin elsewhere in every row, and a query that sees nothing."""
    segments = (np.arange(width)[None] >= 2 + np.arange(batch)[:, None]).astype(np.int32)
    blocked = np.maximum(causal(width, width), segments[:, None, :, None] != segments[:, None, None, :])
    blocked[1, 0, 3] = 1
    return blocked.astype(np.float32)


def tables(batch: int, width: int, dim: int) -> tuple[np.ndarray, np.ndarray]:
    cos, sin = rotary_table(3 * batch + width, dim, 1e4)
    rows = 3 * np.arange(batch)[:, None] + np.arange(width)
    return cos[rows][:, :, None], sin[rows][:, :, None]


TARGETS = np.array([0, 4, 4, 1, 10, 7], np.int32)
Case = tuple[Callable[[], nn.Cell], Callable[[], nn.Cell], tuple[np.ndarray, ...], int]
"""CPU operator, plain operator, inputs, and how many of them, from the first, have a gradient."""
CASES: dict[str, Case] = {
    "norm": (lambda: CpuNorm(EPS), lambda: PlainNorm(EPS), (drawn(2, 5, 24), drawn(24)), 2),
    "norm of heads": (lambda: CpuNorm(EPS), lambda: PlainNorm(EPS), (drawn(2, 5, 3, 8), drawn(8)), 2),
    "norm near zero": (lambda: CpuNorm(EPS), lambda: PlainNorm(EPS), (drawn(3, 24, size=1e-3), drawn(24)), 2),
    "rotate": (lambda: CpuRotate(8), Rotate, (drawn(2, 5, 3, 8), *tables(1, 5, 8)), 1),
    "rotate, places by row": (lambda: CpuRotate(8), Rotate, (drawn(2, 5, 3, 8), *tables(2, 5, 8)), 1),
    "attention, one key head": (
        lambda: CpuAttention(8),
        PlainAttention,
        (drawn(2, 6, 5, 8), drawn(2, 1, 6, 8), drawn(2, 1, 6, 8), causal(6, 6)),
        3,
    ),
    "attention, two key heads": (
        lambda: CpuAttention(8),
        PlainAttention,
        (drawn(2, 6, 4, 8), drawn(2, 2, 6, 8), drawn(2, 2, 6, 8), foreign(2, 6)),
        3,
    ),
    "attention, more keys than queries": (
        lambda: CpuAttention(8),
        PlainAttention,
        (drawn(2, 2, 4, 8), drawn(2, 4, 6, 8), drawn(2, 4, 6, 8), causal(2, 6)),
        3,
    ),
    "log-probabilities": (CpuTokenLogProbs, TokenLogProbs, (drawn(6, 8, size=3), drawn(11, 8), TARGETS), 2),
}


@pytest.mark.parametrize("name", CASES)
def test_value_and_gradient_are_those_of_the_plain_operator(name: str) -> None:
    make, make_plain, arrays, count = CASES[name]
    inputs = [Tensor(array) for array in arrays]
    seen, expected = make()(*inputs).asnumpy(), make_plain()(*inputs).asnumpy()
    assert seen.shape == expected.shape and np.abs(expected).max() > 0.1
    assert seen == pytest.approx(expected, rel=1e-5, abs=2e-6)
    weights = Tensor(drawn(*expected.shape))
    gradients = gradient_of(make(), weights, count)(*inputs)
    plain = gradient_of(make_plain(), weights, count)(*inputs)
    for ours, theirs in zip(gradients, plain, strict=True):
        size = np.abs(theirs.asnumpy()).max()
        assert size > 0.1
        assert ours.asnumpy() == pytest.approx(theirs.asnumpy(), rel=1e-4, abs=2e-6 * size)


def test_a_token_far_too_unlikely_has_a_floor_and_the_gradient_it_should_have() -> None:
    hidden, table = Tensor(np.float32([[200.0]])), Tensor(np.float32([[1.0], [0.0]]))
    targets = Tensor(np.int32([1]))
    cell = CpuTokenLogProbs()
    assert cell(hidden, table, targets).asnumpy() == pytest.approx([-85.1954], abs=1e-3)
    of_hidden, of_table = gradient_of(cell, Tensor(np.float32([1.0])), 2)(hidden, table, targets)
    assert of_hidden.asnumpy() == pytest.approx(np.array([[-1.0]]))
    assert of_table.asnumpy() == pytest.approx(np.array([[-200.0], [200.0]]))


def test_what_is_no_number_stays_none() -> None:
    hidden = Tensor(np.float32([[np.nan], [1.0]]))
    seen = CpuTokenLogProbs()(hidden, Tensor(drawn(3, 1)), Tensor(np.int32([0, 0]))).asnumpy()
    assert np.isnan(seen[0]) and np.isfinite(seen[1])
