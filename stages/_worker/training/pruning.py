"""Which checkpoints of an attempt stay. src/records/checkpoints.ts has the same rule, tested with the same cases."""

from __future__ import annotations

from collections.abc import Iterable


def stale_steps(steps: Iterable[int], *, keep: int, keep_every: int | None) -> list[int]:
    """Steps whose checkpoints go: all but the newest `keep` and, where it is set, the multiples of `keep_every`."""
    newest_first = sorted(steps, reverse=True)
    return [step for step in newest_first[keep:] if keep_every is None or step % keep_every != 0]
