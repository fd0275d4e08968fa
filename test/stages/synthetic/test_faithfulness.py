"""The faithfulness check: what must fail, and what must not."""

from __future__ import annotations

from fractions import Fraction

import pytest

from stages.synthetic.faithfulness.articles import Statutes, check_articles, cited_articles
from stages.synthetic.faithfulness.check import Fault, find_fault
from stages.synthetic.faithfulness.figures import missing_figure, read_figures
from stages.synthetic.faithfulness.names import names_by_part, wrong_name
from stages.synthetic.faithfulness.numerals import read_number
from stages.synthetic.faithfulness.overlap import copied_share, key_terms, terms_share

TITLE = "刑事案件：盗窃"
SOURCE = (
    "经审理查明，2016年8月3日晚，被告人李明窜至被害人张某甲家中，盗窃现金人民币35000元、黄金项链一条，重12.5克。"
    "案发后李明被抓获，退赔三万五千元。本院认为，被告人李明以非法占有为目的，秘密窃取他人财物，数额较大，"
    "依照《中华人民共和国刑法》第二百六十四条、第五十二条之规定，判处有期徒刑二年，并处罚金百分之十。"
)
FAITHFUL = (
    "从法官的角度看，这一案件的关键在于财物数额与事后态度。8月3日夜里，李明进入张某甲的住所，拿走3.5万元现金和一条12.5克重的"
    "黄金项链，其目的显然是非法占有，手段是秘密窃取，符合盗窃罪的构成。到案之后，被告人李明退赔了35,000元，可作为情节考虑。"
    "适用刑法第264条与第52条，科处两年徒刑、10%的罚金，与数额较大的情形相当。"
)
STATUTES = Statutes(
    [
        {
            "meta": {"law": "中华人民共和国刑法", "article": "第六十七条"},
            "text": "犯罪以后自动投案的，是自首。",
        },
        {
            "meta": {"law": "刑法", "article": "第一百二十条之一"},
            "text": "资助恐怖活动的，处五年以下有期徒刑。",
        },
        {"meta": {"law": "水法", "article": "第三条"}, "text": "水资源属于国家所有。"},
    ]
)
LENGTH = {"min": 0.4, "max": 2.0}
RULES = {"ngram": 8, "max_copied": 0.5, "terms": 12, "min_terms": 0.4}


def fault_of(output: str) -> Fault | None:
    return find_fault(output, title=TITLE, text=SOURCE, length=LENGTH, rules=RULES, statutes=STATUTES)


def test_a_faithful_text_in_other_words_and_numerals_passes() -> None:
    assert fault_of(FAITHFUL) is None


@pytest.mark.parametrize(
    ("reason", "old", "new", "seen"),
    [
        ("article", "第264条", "第265条", "《刑法》第二百六十五条"),
        ("article", "刑法第264条", "《反窃电法》第264条", "《反窃电法》第二百六十四条"),
        ("article", "第52条", "第一百二十条之九", "第一百二十条之九"),
        ("figure", "3.5万元", "3.6万元", "3.6万元"),
        ("figure", "35,000元", "三万六千元", "三万六千元"),
        ("figure", "8月3日", "8月4日", "8-4"),
        ("figure", "8月3日", "2017年8月3日", "2017-8-3"),
        ("figure", "12.5克", "12.5千克", "12.5千克"),
        ("figure", "两年", "三年", "三年"),
        ("figure", "10%", "百分之二十", "百分之二十"),
        ("figure", "可作为情节", "另有同案3人，可作为情节", "3人"),
        ("name", "张某甲", "王某", "王某"),
        ("name", "被告人李明", "被告人王建国", "王建国"),
        ("name", "被告人李明", "被害人李明", "李明"),
        ("too_long", "从法官的角度看", "情节" * 300, "at most 2.0"),
    ],
)
def test_one_changed_place_is_found_and_named(reason: str, old: str, new: str, seen: str) -> None:
    assert old in FAITHFUL
    fault = fault_of(FAITHFUL.replace(old, new, 1))
    assert fault is not None
    assert fault.reason == reason
    assert seen in fault.detail


def test_copies_fragments_and_other_matters_are_dropped() -> None:
    copied = fault_of(SOURCE.replace("经审理查明", "法院查明"))
    assert copied is not None and copied.reason == "copied"
    short = fault_of("李明犯盗窃罪。")
    assert short is not None and short.reason == "too_short"
    other = fault_of(
        "房屋租赁合同期满，承租人应当返还租赁物，并且结清租金；出租人应当退还押金，双方没有其他约定的按照习惯办理。"
        * 2
    )
    assert other is not None and other.reason == "unrelated"


def test_an_article_of_the_corpus_may_be_cited_with_its_own_figures() -> None:
    assert fault_of(FAITHFUL.replace("可作为情节考虑", "参照刑法第六十七条关于自首的规定考虑")) is None
    text = FAITHFUL.replace("可作为情节考虑", "与刑法第120条之一的五年以下有期徒刑不同")
    assert fault_of(text) is None
    figure = fault_of(text.replace("五年", "六年"))
    assert figure is not None and figure.reason == "figure"


def test_citations_belong_to_the_law_before_them() -> None:
    text = "依照《刑法》第二百六十四条、第52条和民法典（2020年）第十条，本法第三条"
    assert [(law, article) for law, _, article in cited_articles(text)] == [
        ("刑法", "第二百六十四条"),
        ("刑法", "第五十二条"),
        ("和民法典", "第十条"),
        ("和民法典", "第三条"),
    ]
    assert check_articles("该法第七条规定", "《水法》第三条", STATUTES)[0] == "第七条"
    assert check_articles("该法第三条规定", "《水法》第三条", STATUTES)[0] is None
    assert check_articles("违反了水法第三条", "无", STATUTES) == (None, ["水资源属于国家所有。"])
    assert check_articles("违反了水法第四条", "无", STATUTES)[0] == "《水法》第四条"
    # The number stands in the source, but under another law.
    assert check_articles("依照《水法》第九条", "依照《刑法》第九条", STATUTES)[0] == "《水法》第九条"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("35,000", 35000),
        ("3.5万", 35000),
        ("三万五千", 35000),
        ("三万五", 35000),
        ("三万零五", 30005),
        ("一百二", 120),
        ("十二", 12),
        ("二〇一六", 2016),
        ("两千", 2000),
        ("一亿二千万", 120_000_000),
        ("12.5", Fraction(25, 2)),
    ],
)
def test_numbers_are_read_as_they_are_meant(text: str, value: int | Fraction) -> None:
    assert read_number(text) == value


@pytest.mark.parametrize(
    ("output", "source"),
    [
        ("12个月", "一年"),
        ("3公斤", "三千克"),
        ("二〇一六年五月一日", "2016年5月1日"),
        ("2016-05-01", "2016年5月1日"),
        ("5月1日", "2016年5月1日"),
        ("2016年6月2日", "2016年5月1日至6月2日"),
        ("三分之二", "2/3为三分之二"),
        ("一次性了结，一起处理，一人公司", "无"),
        ("1. 先看事实\n2、再看理由\n（3）结论", "无"),
        ("第二款第三项、第5章", "无"),
        ("价值1000元", "价值人民币1000"),
        ("５０％", "50%"),
    ],
)
def test_the_same_figure_in_other_words_is_known(output: str, source: str) -> None:
    assert missing_figure(read_figures(output), read_figures(source)) is None


@pytest.mark.parametrize(
    ("output", "source"),
    [
        ("2016年5月2日", "2016年5月1日，2017年6月2日"),
        ("5万元", "5万美元"),
        ("三个月", "3日"),
        ("共7", "共8"),
        ("两名", "无"),
        ("二分之一", "三分之一"),
    ],
)
def test_another_figure_is_not(output: str, source: str) -> None:
    assert missing_figure(read_figures(output), read_figures(source)) is not None


def test_names_keep_their_part_and_words_are_no_names() -> None:
    source = "公诉机关指控被告人赵某某、证人王建国到庭，被害人于某1受伤。"
    assert names_by_part(source) == [("被告", "赵某某"), ("证人", "王建国"), ("被害人", "于某1")]
    assert wrong_name("被告人应当赔偿；被告于某市开办公司；原告方某种主张。", source) is None
    assert wrong_name("被害人赵某某", source) == "被害人赵某某, in the source 被告"


def test_overlap_is_a_share() -> None:
    assert copied_share("一二三四五六", "一二三四五六", 4) == 1
    assert copied_share("一二三四，五六七八", "一二三四", 4) == pytest.approx(0.2)
    assert copied_share("短", "短", 4) == 0
    terms = key_terms(SOURCE, 5)
    assert len(terms) == 5
    assert terms_share(SOURCE, terms) == 1
    assert terms_share("无关", terms) == 0
