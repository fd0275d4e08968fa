"""The strict reading of replies: both answer forms of the sources, and nothing out of a broken one."""

import pytest

from stages.eval.strict_scores import final_answer, judge_item


@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        ("<think>先看事实。</think>选B", "选B"),
        ("先看事实，再看法条。[final answer]：B", "B"),
        ("先看事实。\n[Final Answer] 盗窃罪", "盗窃罪"),
        ("B", "B"),
        ("<think>没有结尾 B", None),
        ("没有开头</think>B", None),
        ("<think>一</think><think>二</think>B", None),
        ("<think>想</think>", None),
        ("", None),
    ],
)
def test_what_a_reply_says_in_the_end(reply: str, answer: str | None) -> None:
    assert final_answer(reply) == answer


def test_the_form_of_the_model_card_is_scored_by_its_answer_alone() -> None:
    assert judge_item("choice", "A项不对，C项也不对。[final answer] B", "B").score == 1.0
    assert judge_item("choice", "<think>A项不对 [final answer] B", "B").score == 0.0
