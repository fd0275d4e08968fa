"""Rewards: forms, edges and the registry."""

import pytest

from stages._worker.failures import DataError, UserError
from stages.rl.rewards.registry import Question, load_reward, score_replies


def question(reference: str = "故意杀人的，处死刑", **meta: object) -> Question:
    return Question(id="q", prompt="?", reference=reference, meta=meta)


ROUGE = {"kind": "rouge_l"}


@pytest.mark.parametrize(
    "reply",
    [
        "故意杀人的，处死刑",  # no think part
        "<think>想</think>",  # no answer
        "<think></think>故意杀人的，处死刑",  # nothing thought
        "<think>想 故意杀人的，处死刑",  # not closed
        "想</think>故意杀人的，处死刑",  # not opened
        "<think>一</think>故意杀人的<think>二</think>，处死刑",  # twice
        "好。<think>想</think>故意杀人的，处死刑",  # words before
    ],
)
def test_a_broken_form_is_zero(reply: str) -> None:
    assert score_replies(load_reward(ROUGE), question(), [reply]) == [0.0]


def test_a_whole_form_is_scored_by_its_answer_alone() -> None:
    got = score_replies(load_reward(ROUGE), question(), ["<think>盗窃</think>故意杀人的，处死刑", "x"])
    assert got == [pytest.approx(0.999999995, abs=1e-9), 0.0]


@pytest.mark.parametrize(
    ("answer", "gold", "expected"),
    [
        ("B", "B", 1.0),
        ("答案：B", "B", 1.0),
        ("选B。", "B", 1.0),
        ("（ｂ）", "B", 1.0),
        ("BA", "AB", 1.0),
        ("A、B", "AB", 1.0),
        ("A", "B", 0.0),
        ("A", "AB", 0.0),
        ("AB", "A", 0.0),
        ("A或B", "A", 0.0),
        ("选A。不对，选B", "B", 0.0),
        ("盗窃罪", "B", 0.0),
        ("ANSWER", "A", 0.0),
        ("ANSWER: B", "B", 1.0),
    ],
)
def test_choice(answer: str, gold: str, expected: float) -> None:
    assert load_reward({"kind": "choice"}).score(question(answer=gold), [answer]) == [expected]


def test_choice_gives_part_of_the_reward_only_when_told() -> None:
    reward = load_reward({"kind": "choice", "partial": 0.5})
    assert reward.score(question(answer="ABD"), ["AB", "AC", "ABD", "无"]) == [0.5, 0.0, 1.0, 0.0]


def test_choice_needs_a_right_option() -> None:
    with pytest.raises(DataError, match="no right option"):
        load_reward({"kind": "choice"}).score(question("盗窃罪"), ["A"])


def test_soft_f1_matches_items_at_most_once() -> None:
    reward = load_reward({"kind": "soft_f1"})
    listed = question("1. 刑法第二百六十四条\n2. 刑法第六十七条")
    same, half, repeated, none = reward.score(
        listed,
        [
            "刑法第六十七条；刑法第二百六十四条",
            "刑法第六十七条",
            "刑法第六十七条\n刑法第六十七条",
            "\n；",
        ],
    )
    assert same == 1.0
    assert half == pytest.approx(2 / 3)
    assert repeated <= 1.0
    assert none == 0.0


def test_soft_f1_cannot_be_raised_by_repeating() -> None:
    reward = load_reward({"kind": "soft_f1"})
    once, thrice = reward.score(
        question("甲方赔偿损失；乙方返还货物"), ["甲方赔偿损失", "甲方赔偿损失\n" * 3]
    )
    assert once == pytest.approx(2 / 3)
    assert thrice == pytest.approx(2 / 5)


@pytest.mark.parametrize("kind", ["nothing_like_it", "", "../advantage"])
def test_an_unknown_reward_is_refused(kind: str) -> None:
    with pytest.raises(UserError, match="reward"):
        load_reward({"kind": kind})
