"""Retrieval of statutes: by citation, by words, and never held-out ones for training."""

import pytest
from support.legal_corpus import legal_corpus

from stages._lead.citations import chinese_number, citations
from stages._lead.knowledge import KnowledgeBase
from stages._worker import jsonl


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> KnowledgeBase:
    corpus = legal_corpus(tmp_path_factory.mktemp("corpus"))
    rows = []
    for split in ("train", "heldout"):
        for row in jsonl.read(corpus / "documents" / split / "legal.jsonl"):
            if "article" in row["meta"]:
                rows.append({"split": split, **{key: row[key] for key in ("id", "title", "text")}})
    return KnowledgeBase(rows)


def test_a_cited_article_comes_first(base: KnowledgeBase) -> None:
    for query in ("《种子法》第七条规定了什么？", "依照中华人民共和国种子法第7条处理", "应依种子法第七条"):
        assert base.find(query, 3, heldout=False)[0]["title"] == "《种子法》第七条", query


def test_words_find_an_article_that_nobody_cites(base: KnowledgeBase) -> None:
    found = base.find("测绘法的主管部门在二十七日内", 5, heldout=False)
    assert len(found) == 5
    assert {article["title"].split("》")[0] for article in found} == {"《测绘法"}


def test_heldout_articles_are_not_found_for_training(base: KnowledgeBase) -> None:
    query = "《铁路法》第三条，《水法》第五条"
    assert all(article["split"] == "train" for article in base.find(query, 10, heldout=False))
    assert base.find(query, 1, heldout=True)[0]["split"] == "heldout"


def test_more_are_asked_for_than_there_are(base: KnowledgeBase) -> None:
    assert len(base.find("主管部门", 10_000, heldout=True)) == len(base)


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (1, "一"),
        (10, "十"),
        (12, "十二"),
        (20, "二十"),
        (105, "一百零五"),
        (110, "一百一十"),
        (264, "二百六十四"),
        (1001, "一千零一"),
        (1010, "一千零一十"),
        (1260, "一千二百六十"),
    ],
)
def test_numbers_are_written_as_in_statutes(number: int, text: str) -> None:
    assert chinese_number(number) == text


def test_citations_are_read_in_both_numerals() -> None:
    text = "依《中华人民共和国民法典》第一千零一条和刑法第264条"
    assert citations(text) == [("民法典", "第一千零一条"), ("刑法", "第二百六十四条")]


def test_articles_in_a_row_share_their_law() -> None:
    text = "依照《中华人民共和国刑法》第二百六十四条、第六十七条第三款、第五十二条，民事诉讼法第六十七条第一款第（二）项，判决如下"
    assert citations(text) == [
        ("刑法", "第二百六十四条"),
        ("刑法", "第六十七条"),
        ("刑法", "第五十二条"),
        ("民事诉讼法", "第六十七条"),
    ]
    assert citations("本法第三条；第五条。") == [("本法", "第三条")]
    assert citations("刑法第一百二十条之一第一款、第120条之规定") == [
        ("刑法", "第一百二十条之一"),
        ("刑法", "第一百二十条"),
    ]
