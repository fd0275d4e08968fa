"""Sections, clauses, templates, JSON in replies: the text side of LEAD."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages._lead import sections
from stages._lead.clauses import clauses, cut_at_punctuation
from stages._lead.replies import BadReply, answer_text, read_json
from stages._lead.shortlist import Shortlist
from stages._lead.templates import fill
from stages._worker.failures import UserError

TEXT = st.text(alphabet="甲乙丙，。；：、\n【】〔〕A1", max_size=60)


@given(question=TEXT, material=TEXT)
def test_sections_come_back_as_they_were_written(question: str, material: str) -> None:
    prompt = sections.write_sections([("步骤", "评分"), ("问题", question), ("材料", material)])
    read = sections.read_sections(prompt)
    assert read["步骤"] == "评分"
    assert read.get("问题", "").replace(" ", "") == question.strip().replace(" ", "")
    assert set(read) <= {"步骤", "问题", "材料"}


def test_documents_come_back_cut() -> None:
    written = sections.write_documents(
        [{"title": "《水法》第一条", "text": "一二三四五六"}, {"title": "乙", "text": "七"}], 4
    )
    assert sections.read_documents(written) == [("《水法》第一条", "一二三四"), ("乙", "七")]


@pytest.mark.parametrize(
    ("text", "longest", "expected"),
    [
        ("为了保护专利权人的合法权益，鼓励发明创造，推动发明创造的应用。", 20, "为了保护专利权人的合法权益"),
        ("申请日从旧。其后，申请人可以修改。", 12, "申请日从旧。"),
        ("下列情形：（一）甲；（二）乙。", 12, "下列情形：（一）甲"),
        ("整条不长。", 30, "整条不长。"),
        ("第一行。\n第二行很长很长。", 30, "第一行。"),
        ("没有任何标点的很长很长很长很长的一行", 10, None),
    ],
)
def test_a_text_is_cut_at_the_best_mark(text: str, longest: int, expected: str | None) -> None:
    assert cut_at_punctuation(text, longest, 3) == expected


@given(TEXT, st.integers(1, 40), st.integers(1, 10))
def test_a_cut_text_is_a_start_of_the_text_within_the_limit(text: str, longest: int, shortest: int) -> None:
    piece = cut_at_punctuation(text, longest, shortest)
    if piece is not None:
        assert text.startswith(piece)
        assert len(piece) <= longest


def test_clauses_have_no_marks() -> None:
    assert clauses("甲，乙。\n丙；丁") == ["甲", "乙", "丙", "丁"]


def test_a_template_with_an_unknown_name_names_itself() -> None:
    assert fill("问{{ law }}", law="水法") == "问水法"
    with pytest.raises(UserError, match="lwa"):
        fill("问{{ lwa }}", law="水法")


def test_only_what_follows_the_thoughts_is_the_answer() -> None:
    assert answer_text("<think>a</think>b</think>\n c ") == "c"
    with pytest.raises(BadReply):
        answer_text("<think>a</think>  ")


def test_the_last_fitting_object_is_read() -> None:
    schema = {"type": "object", "required": ["a"], "properties": {"a": {"type": "integer"}}}
    assert read_json('{"a": 1} 更正 {"a": 2}。', schema) == {"a": 2}
    assert read_json('{"a": 3, "b": {"c": "}"}}', schema)["a"] == 3
    with pytest.raises(BadReply, match="not of type"):
        read_json('{"a": "x"}', schema)


@given(st.lists(st.floats(0, 1), max_size=50, unique=True), st.integers(0, 10))
def test_a_shortlist_holds_the_lowest(keys: list[float], size: int) -> None:
    shortlist: Shortlist[float] = Shortlist(size)
    for key in keys:
        shortlist.offer(key, str(key), lambda key=key: key)
    assert shortlist.items() == sorted(keys)[:size]
