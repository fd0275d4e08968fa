"""The ledger of RL: which prompts each step learnt from, and the proof that a resume has lost or repeated none.

Which of the drawn groups teach something depends on the answers, so a resume cannot compute it again without
them. The checkpoint therefore keeps the prompts of every step; they have to give its ledger, and each has to stand
where the order of its level's pool puts it.
"""

import hashlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from stages._worker.failures import ResumeRefused
from stages._worker.training.ledger import Ledger
from stages.rl.curriculum import Position
from stages.rl.level import Level

Step = tuple[int, int, int, list[int]]
"""Level, step of the level, draws, sample numbers learnt from."""


def drawn_places(step_in_level: int, draw: int, *, groups: int, max_draws: int) -> range:
    """Places in the pool's endless order whose prompts one draw of a step answers."""
    start = (step_in_level * max_draws + draw) * groups
    return range(start, start + groups)


def pools_sha256(levels: list[Level]) -> str:
    """Hash over the prompts of all levels in order; a resume with other pools is refused."""
    digest = hashlib.sha256()
    for level in levels:
        digest.update(f"level {level.number}\n".encode())
        level.pool.feed(digest)
    return digest.hexdigest()


def consume(
    ledger: Ledger, steps: list[Step], levels: list[Level], options: dict[str, Any], seed: int
) -> None:
    """Adds recorded steps to a ledger. Raises ResumeRefused for a prompt that its step could not draw."""
    for level, step, draws, numbers in steps:
        pool = levels[level].pool
        drawn = iter(
            pool.at(seed, level, place).number
            for draw in range(draws)
            for place in drawn_places(step, draw, groups=options["groups"], max_draws=options["max_draws"])
        )
        # Membership tests use the iterator up: the numbers have to come in the order they were drawn.
        if not all(number in drawn for number in numbers):
            raise ResumeRefused(
                f"step {step} of level {levels[level].name} learnt from the samples {numbers}, which this pool "
                "does not give it",
                hint="`legalone fork` is the way to change the data of a run",
            )
        ledger.consume(np.array(numbers, np.uint32))


def refuse_gaps(steps: list[Step], position: Position, *, begins: int) -> None:
    """Raises ResumeRefused unless the records are the steps of the curriculum from `begins` up to `position`."""
    ended = [(number, step) for number, level in enumerate(position.ended) for step in range(level["steps"])]
    expected = [*ended, *((position.level, step) for step in range(position.step))][begins:]
    seen = [(level, step) for level, step, _, _ in steps]
    if seen != expected:
        raise ResumeRefused(
            f"the checkpoint records {len(seen)} steps, its curriculum has {len(expected)} of (level, step) "
            f"{_short(expected)}, saw {_short(seen)}"
        )


def _short(steps: list[tuple[int, int]]) -> str:
    return ", ".join(map(str, steps)) if len(steps) <= 4 else f"{steps[0]} … {steps[-1]}"


def steps_of(extra: Any) -> Iterator[Step]:
    """The recorded steps of a checkpoint. Raises KeyError, TypeError or ValueError for what is none of ours."""
    for level, step, draws, numbers in extra["consumed"]:
        yield int(level), int(step), int(draws), [int(number) for number in numbers]
