"""Groups and the arrays of an update."""

import numpy as np
import pytest

from stages.rl.experience import Shape, arrays_of, make_group, split_groups
from stages.rl.pool import Prompt
from stages.rl.rewards.registry import Question
from stages.rl.rollout import Rollout

SHAPE = Shape(rows=4, prompt=5, answer=4)


def prompt(*tokens: int) -> Prompt:
    return Prompt(number=7, tokens=tokens, question=Question(id="q", prompt="?", reference="r", meta={}))


def rollout(*tokens: int) -> Rollout:
    return Rollout(tokens=tokens, log_probs=tuple(-0.1 * token for token in tokens), finished=True)


def group(scores: list[float | None], *rollouts: Rollout, buffer: int = 0):
    return make_group(prompt(1, 2, 3), list(rollouts), scores, longest=4, buffer=buffer)


def test_an_answer_without_verdict_leaves_its_group() -> None:
    made = group([1.0, None, 0.0], rollout(11), rollout(12), rollout(13))
    assert [item.tokens for item in made.rollouts] == [(11,), (13,)]
    assert made.scores.tolist() == [1.0, 0.0]


def test_a_group_needs_two_verdicts() -> None:
    assert group([1.0, None], rollout(11), rollout(12)) is None


def test_the_overlong_penalty_changes_rewards_and_not_scores() -> None:
    made = group([1.0, 1.0], rollout(11), rollout(11, 12, 13, 14), buffer=2)
    assert made.scores.tolist() == [1.0, 1.0]
    assert made.rewards.tolist() == [1.0, 0.0]


def test_arrays() -> None:
    made = group([1.0, 0.0], rollout(11, 12, 13), rollout(14))
    tokens, padding, counted, old, advantages = arrays_of(
        [made], SHAPE, baseline="length", divide_by_deviation=False
    )
    assert tokens.tolist() == [
        [0, 0, 1, 2, 3, 11, 12, 13, 0],
        [0, 0, 1, 2, 3, 14, 0, 0, 0],
        [0] * 9,
        [0] * 9,
    ]
    assert padding.tolist() == [2, 2, 4, 4]
    assert counted.tolist() == [[1, 1, 1, 0], [1, 0, 0, 0], [0] * 4, [0] * 4]
    assert old[0].tolist() == pytest.approx([-1.1, -1.2, -1.3, 0])
    # b2 = 3*1/4
    assert advantages.tolist() == pytest.approx([0.25, -0.75, 0, 0])


def test_groups_are_dealt_once_and_by_seed_and_step() -> None:
    groups = [group([1.0, 0.0], rollout(n), rollout(n + 1)) for n in range(7)]

    def dealt(seed: int, step: int) -> list[list[int]]:
        return [
            [item.rollouts[0].tokens[0] for item in part]
            for part in split_groups(groups, 3, seed=seed, step=step)
        ]

    assert sorted(n for part in dealt(1, 1) for n in part) == list(range(7))
    assert [len(part) for part in dealt(1, 1)] == [3, 2, 2]
    assert dealt(1, 1) == dealt(1, 1)
    assert dealt(1, 1) != dealt(1, 2)


def test_fewer_groups_than_updates() -> None:
    groups = [group([1.0, 0.0], rollout(1), rollout(2))]
    assert [len(part) for part in split_groups(groups, 4, seed=0, step=0)] == [1]


def test_advantages_are_finite_for_the_longest_answers() -> None:
    made = group([0.3, 0.9], rollout(1, 2, 3, 4), rollout(5, 6, 7, 8))
    *_, advantages = arrays_of([made], SHAPE, baseline="length", divide_by_deviation=True)
    assert np.isfinite(advantages).all()
