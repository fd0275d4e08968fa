"""Prompts as LegalKit builds them."""

import pytest

from stages._worker.data.task_items import Item
from stages.eval.prompts import build_prompt
from stages.eval.task import Task


def task(name: str = "1_2", form: str = "lexeval", examples: int = 0) -> Task:
    shown = tuple(Item(id=n, instruction="", question=f"例题{n}", answer="B") for n in range(examples))
    return Task(id=name, form=form, scoring="choice", items=(), examples=shown)


ITEM = Item(id=0, instruction="请选择", question="题目", answer="A")


def prompt(of: Task, *, shots: bool = False, longest: int = 8192) -> str:
    return build_prompt(
        of,
        ITEM,
        shots=shots,
        longest=longest,
        encode=lambda text: [ord(c) for c in text],
        decode=lambda tokens: "".join(map(chr, tokens)),
    )


@pytest.mark.parametrize(
    ("name", "label"),
    [("1_2", "答案:"), ("5_1", "摘要:"), ("5_2", "裁判分析过程:"), ("5_3", "翻译结果:"), ("5_4", "答案:")],
)
def test_lexeval(name: str, label: str) -> None:
    assert prompt(task(name)) == f"请选择\n请你回答:\n问题: 题目\n{label}"


def test_jecqa() -> None:
    assert prompt(task("0_test", "jecqa")) == "请选择\n题目"


def test_three_examples_when_they_fit() -> None:
    expected = "请选择\n以下是3个例子:\n" + "".join(f"问题: 例题{n}\n答案: B\n\n" for n in range(3))
    assert prompt(task(examples=5), shots=True) == expected + "请你回答:\n问题: 题目\n答案:"


def test_one_example_when_three_do_not_fit() -> None:
    assert "以下是1个例子:\n问题: 例题0" in prompt(task(examples=5), shots=True, longest=75)


def test_none_when_one_does_not_fit() -> None:
    assert prompt(task(examples=5), shots=True, longest=45) == prompt(task())


def test_the_head_of_the_instruction_is_cut_last_and_the_question_never() -> None:
    # the question takes 16 characters, the reserve 20, one is left for the line break
    assert prompt(task(), longest=16 + 20 + 1 + 2) == "选择\n请你回答:\n问题: 题目\n答案:"


def test_the_reserve_of_generation_tasks_is_512() -> None:
    assert prompt(task("5_3"), longest=512 + 18 + 1 + 1) == "择\n请你回答:\n问题: 题目\n翻译结果:"
