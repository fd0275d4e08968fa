"""Seconds of CPU of the CPU's operators beside the plain ones: value and gradient of one layer's, as one line of JSON.

python operators_ours.py ROUNDS

Shapes are those of configs/models/tiny.yaml with 8 x 128 tokens. Both sides take turns, so that a busy machine is
busy for both; the least of all turns counts.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from mindspore import Tensor, nn

CHECKOUT = Path(__file__).resolve().parents[3]
sys.path[:0] = [str(CHECKOUT), str(CHECKOUT / "test" / "stages")]

from support.gradients import gradient_of  # noqa: E402
from support.plain_operators import PlainAttention, PlainNorm  # noqa: E402

from stages._worker.model import device  # noqa: E402
from stages._worker.model.cpu.attention import CpuAttention  # noqa: E402
from stages._worker.model.cpu.log_probs import CpuTokenLogProbs  # noqa: E402
from stages._worker.model.cpu.norm import CpuNorm  # noqa: E402
from stages._worker.model.cpu.rotary import CpuRotate  # noqa: E402
from stages._worker.model.device import Rotate, TokenLogProbs  # noqa: E402

STREAM = np.random.default_rng(0)
B, T, H, D, E, V = 8, 128, 5, 32, 160, 4096


def drawn(*shape: int) -> np.ndarray:
    return STREAM.standard_normal(shape).astype(np.float32)


ROTARY = (drawn(1, T, 1, D), drawn(1, T, 1, D))
CAUSAL = np.triu(np.ones((1, 1, T, T), np.float32), 1)
TARGETS = STREAM.integers(0, V, B * T).astype(np.int32)
CASES: dict[str, tuple[nn.Cell, nn.Cell, tuple[np.ndarray, ...], int]] = {
    "norm": (CpuNorm(1e-6), PlainNorm(1e-6), (drawn(B, T, E), drawn(E)), 2),
    "normOfQueries": (CpuNorm(1e-6), PlainNorm(1e-6), (drawn(B, T, H, D), drawn(D)), 2),
    "rotation": (CpuRotate(D), Rotate(), (drawn(B, T, H, D), *ROTARY), 1),
    "attention": (
        CpuAttention(D),
        PlainAttention(),
        (drawn(B, T, H, D), drawn(B, 1, T, D), drawn(B, 1, T, D), CAUSAL),
        3,
    ),
    "logProbs": (CpuTokenLogProbs(), TokenLogProbs(), (drawn(B * T, E), drawn(V, E), TARGETS), 2),
}


def seconds(compute: Callable[..., tuple[Tensor, ...]], inputs: list[Tensor]) -> float:
    """Of CPU, of one call."""
    begin = time.process_time()
    for gradient in compute(*inputs):
        gradient.asnumpy()
    return time.process_time() - begin


def main(rounds: int) -> None:
    """Prints milliseconds of CPU of both sides, by operator."""
    device.set_up()
    found = {}
    for name, (cell, plain, arrays, count) in CASES.items():
        inputs = [Tensor(array) for array in arrays]
        weights = Tensor(drawn(*plain(*inputs).shape))
        sides = [gradient_of(one, weights, count) for one in (cell, plain)]
        turns = [[seconds(side, inputs) for side in sides] for _ in range(rounds)]
        ours, theirs = (1000 * min(turn[side] for turn in turns) for side in (0, 1))
        found[name] = {"ms": ours, "plainMs": theirs, "ratio": theirs / ours}
    print(json.dumps(found))


main(int(sys.argv[1]))
