"""The proof of RL's ledger: which prompts a resume accepts as learnt from."""

import numpy as np
import pytest

from stages._worker.failures import ResumeRefused
from stages._worker.training.ledger import Ledger
from stages.rl.consumed import Step, consume, drawn_places, pools_sha256, refuse_gaps, steps_of
from stages.rl.curriculum import Gate, Position
from stages.rl.level import Level
from stages.rl.pool import Pool, Prompt
from stages.rl.rewards.registry import Question

OPTIONS = {"groups": 2, "max_draws": 2}
SEED = 7


def level(number: int, *, first: int = 0, word: str = "q") -> Level:
    prompts = tuple(
        Prompt(
            number=first + n,
            tokens=(n, n + 1),
            question=Question(id=f"{word}{n}", prompt="p", reference="r", meta={}),
        )
        for n in range(5)
    )
    return Level(
        number=number,
        name=f"level{number}",
        pool=Pool(train=prompts, probes=(), heldout=(), too_long=0),
        reward=None,  # nothing here is scored
        gate=Gate(min_steps=1, max_steps=3, window=1),
        longest_answer=8,
        overlong_buffer=2,
    )


LEVELS = [level(0), level(1, first=10)]


def drawn(number: int, step: int, draws: int) -> list[int]:
    places = [place for draw in range(draws) for place in drawn_places(step, draw, groups=2, max_draws=2)]
    return [LEVELS[number].pool.at(SEED, number, place).number for place in places]


def learnt(number: int, step: int, draws: int, chosen: slice) -> Step:
    return (number, step, draws, drawn(number, step, draws)[chosen])


STEPS = [
    learnt(0, 0, 1, slice(0, 2)),
    learnt(0, 1, 2, slice(1, 3)),
    learnt(1, 0, 2, slice(0, 0)),
]
POSITION = Position(level=1, step=1, ended=({"level": 0, "steps": 2, "ending": "ceiling", "reward": 0.0},))


def test_recorded_steps_give_the_ledger() -> None:
    expected = Ledger()
    for *_, numbers in STEPS:
        expected.consume(np.array(numbers, np.uint32))
    seen = Ledger()
    consume(seen, STEPS, LEVELS, OPTIONS, SEED)
    refuse_gaps(STEPS, POSITION, begins=0)
    assert (seen.head, seen.row) == (expected.head, 4)
    assert list(steps_of({"consumed": [list(step) for step in STEPS]})) == STEPS


def test_a_prompt_that_the_step_could_not_draw_is_refused() -> None:
    first, second = drawn(0, 1, 1)
    outside = next(n for n in range(5) if n not in (first, second))
    for numbers in ([outside], [second, first], [first, first], [10]):
        with pytest.raises(ResumeRefused, match=r"step 1 of level level0"):
            consume(Ledger(), [(0, 1, 1, numbers)], LEVELS, OPTIONS, SEED)


@pytest.mark.parametrize(
    "steps", [STEPS[:2], [*STEPS, learnt(1, 1, 1, slice(0, 1))], [STEPS[1], STEPS[0], STEPS[2]], STEPS[1:]]
)
def test_a_missing_repeated_or_moved_step_is_refused(steps: list[Step]) -> None:
    with pytest.raises(ResumeRefused, match="curriculum has 3"):
        refuse_gaps(steps, POSITION, begins=0)


def test_a_fork_proves_what_came_after_it() -> None:
    refuse_gaps(STEPS[2:], POSITION, begins=2)


def test_the_hash_of_the_pools_sees_order_words_and_levels() -> None:
    others = [
        [LEVELS[1], LEVELS[0]],
        [level(0, word="x"), LEVELS[1]],
        [level(0, first=1), LEVELS[1]],
        LEVELS[:1],
    ]
    hashes = {pools_sha256(levels) for levels in [LEVELS, *others]}
    assert len(hashes) == 5
