"""Questions made from statutes."""

import pytest

from stages._worker.failures import DataError
from stages.eval.statute_questions import articles_of, cut, make_tasks
from stages.eval.task import split_options

DOCUMENTS = [
    {
        "id": f"{law}-{number}",
        "text": f"《{law}法》第{number}条\u3000{law}的第{number}项规定，违反的处以罚款。其他另行规定。",
        "meta": {"law": f"{law}法", "article": f"第{number}条"},
    }
    for law in ("甲", "乙", "丙", "丁", "戊")
    for number in range(6)
]
ITEMS = {"statute_law": 8, "statute_article": 8, "statute_recitation": 4}


def made(seed: int = 1, documents: list[dict] = DOCUMENTS):
    return {
        task.id: task for task in make_tasks(articles_of(documents), seed=seed, items=ITEMS, longest_text=12)
    }


def test_name_and_number_are_taken_off_the_text() -> None:
    assert articles_of(DOCUMENTS[:1])[0].text.startswith("甲的第0项规定")


def test_documents_that_are_no_articles_are_left_out() -> None:
    assert articles_of([{"id": "x", "text": "新闻", "meta": {}}]) == []


def test_the_right_option_is_the_one_the_answer_names() -> None:
    by_id = {article.id: article for article in articles_of(DOCUMENTS)}
    for item in made()["statute_law"].items:
        _, options = split_options(item.question)
        assert options["ABCD".index(item.answer)] == by_id[item.source].law
        assert len(set(options)) == 4
    for item in made()["statute_article"].items:
        stem, options = split_options(item.question)
        assert stem.startswith(f"《{by_id[item.source].law}》{by_id[item.source].number}")
        assert options["ABCD".index(item.answer)] == cut(by_id[item.source].text, 12)
        assert len(set(options)) == 4


@pytest.mark.parametrize(
    ("question", "stem", "options"),
    [
        ("题干:\nA: 甲\nB: 乙\nC：丙", "题干:", ["甲", "乙", "丙"]),
        ("题干A：甲 B：乙", "题干A：甲 B：乙", []),  # a letter in the middle of a word is no option
        ("“挪用”是什么罪？A：虚报B：挪用C：侮辱", "“挪用”是什么罪？", ["虚报", "挪用", "侮辱"]),
        ("题干？A：维生素B、钙", "题干？A：维生素B、钙", []),
        ("题干？ A：甲，乙 B：丙", "题干？", ["甲，乙", "丙"]),
        (
            "罪名预测：“骗取财物”。A：生产、销售伪劣产品 B：诈骗",
            "罪名预测：“骗取财物”。",
            ["生产、销售伪劣产品", "诈骗"],
        ),
        ("问 B：乙 C：丙", "问 B：乙 C：丙", []),
        ("没有选项", "没有选项", []),
    ],
)
def test_options_are_read_out_of_a_question(question: str, stem: str, options: list[str]) -> None:
    assert split_options(question) == (stem, options)


def test_the_same_seed_gives_the_same_questions_whatever_the_order_of_documents() -> None:
    assert made() == made(documents=DOCUMENTS[::-1])
    assert made() != made(seed=2)


def test_answers_are_spread_over_the_letters() -> None:
    letters = {item.answer for task in made().values() if task.scoring == "choice" for item in task.items}
    assert len(letters) >= 3


def test_too_few_laws_are_refused() -> None:
    with pytest.raises(DataError, match="statute_law"):
        made(documents=DOCUMENTS[:6])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("短", "短"),
        ("一二三四五六七八，九十", "一二三四五六七八"),
        ("一，二三四五六七八九十", "一，二三四五六七八九"),
        ("一 二\n三", "一二三"),
    ],
)
def test_cut_ends_at_a_clause(text: str, expected: str) -> None:
    assert cut(text, 10) == expected
