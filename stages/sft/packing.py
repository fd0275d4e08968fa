"""Samples into rows of one length. Pure.

`boundaries` says what happens where two samples meet in a row:
- `one`: nothing, a row holds one sample and padding;
- `mask`: samples share a row, and no token attends to another sample (segment numbers tell the model);
- `open`: samples share a row and attention crosses, as in pre-training.
In all three the loss counts answers only, and never the first token after a boundary.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from stages.sft.tokenise import Tokenised

Boundaries = Literal["one", "mask", "open"]

_OPEN_ROWS = 8  # rows that are filled at the same time; more of them pack tighter and shuffle more


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One row of a batch. Position i predicts token i+1, so a row of S positions takes S+1 tokens."""

    inputs: np.ndarray  # (S,) int32
    targets: np.ndarray  # (S,) int32
    counted: np.ndarray  # (S,) float32: 1 where the loss counts
    segments: np.ndarray  # (S,) int32: 1, 2, … a sample, 0 padding


def plan_rows(
    stream: Iterable[int], lengths: list[int], *, length: int, boundaries: Boundaries
) -> Iterator[list[int]]:
    """Which samples (indexes, in order) go into each row, out of a stream of sample indexes.

    First fit over a few open rows; the fullest leaves first when none fits. A sample takes at most
    `length` + 1 tokens, longer ones have to be left out before. An open rest at the end of the stream comes last.
    """
    room = length + 1
    rows: list[list[int]] = []
    used: list[int] = []
    for sample in stream:
        size = lengths[sample]
        if size > room:
            raise ValueError(f"sample {sample} has {size} tokens, a row takes {room}")
        if boundaries == "one":
            yield [sample]
            continue
        place = next((at for at, taken in enumerate(used) if taken + size <= room), None)
        if place is None:
            if len(rows) == _OPEN_ROWS:
                fullest = used.index(max(used))
                used.pop(fullest)
                yield rows.pop(fullest)
            rows.append([])
            used.append(0)
            place = len(rows) - 1
        rows[place].append(sample)
        used[place] += size
    yield from rows


def fill_row(samples: list[Tokenised], *, length: int, padding: int) -> Row:
    """The arrays of a row that holds these samples in order."""
    tokens = np.full(length + 1, padding, dtype=np.int32)
    counted = np.zeros(length + 1, dtype=np.float32)
    segments = np.zeros(length + 1, dtype=np.int32)
    start = 0
    for number, sample in enumerate(samples, start=1):
        stop = start + len(sample.tokens)
        tokens[start:stop] = sample.tokens
        counted[start:stop] = sample.counted
        counted[start] = 0  # its prediction would come from the sample before
        segments[start:stop] = number
        start = stop
    return Row(inputs=tokens[:-1], targets=tokens[1:], counted=counted[1:], segments=segments[:-1])
