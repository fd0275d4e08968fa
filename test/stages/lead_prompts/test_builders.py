"""From documents to candidates: segmentation, scores, questions, options, pools."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.legal_corpus import small_lead

from stages._lead.config import complete_lead
from stages._lead.prompt import Prompt
from stages._worker.failures import DataError
from stages.lead_prompts.casework import casework_candidate
from stages.lead_prompts.charge_choice import cut_act, draw_options
from stages.lead_prompts.evaluate import needs_model, settle_by_rules
from stages.lead_prompts.pools import mark_pool
from stages.lead_prompts.queries import load_queries
from stages.lead_prompts.recitation import recitation_candidate
from stages.lead_prompts.routes import choose_route
from stages.lead_prompts.scores import score_article, score_facts
from stages.lead_prompts.segment import segment

OPENINGS = {"facts": ["经审理查明"], "reasoning": ["本院认为"], "decision": ["判决如下"]}
JUDGMENT = (
    "某某市人民法院刑事判决书\n经审理查明：2016年3月1日，被告人张某在本市某商场内，趁人不备，盗窃手机一部，价值人民币3723元。"
    "案发后被告人家属赔偿全部损失，取得谅解，被告人如实供述上述事实，有价格鉴定、证人证言、监控录像等证据证实，足以认定，本院予以确认。\n"
    "本院认为，被告人张某以非法占有为目的，秘密窃取他人财物，数额较大，其行为已构成盗窃罪。\n"
    "依照刑法第二百六十四条，判决如下：被告人张某犯盗窃罪，判处拘役四个月，并处罚金人民币二千元。"
)


def test_a_judgment_is_segmented_by_the_words_that_open_its_parts() -> None:
    parts = segment({"text": JUDGMENT, "meta": {}}, OPENINGS)
    assert parts["facts"].startswith("经审理查明：2016年")
    assert parts["facts"].endswith("予以确认。")
    assert parts["reasoning"].startswith("本院认为")
    assert parts["decision"].startswith("判决如下：被告人张某犯盗窃罪")


def test_parts_the_corpus_knows_are_taken_and_missing_ones_left_out() -> None:
    parts = segment(
        {"text": "没有标志的文书。", "meta": {"facts": "事实甲。", "charges": ["盗窃"]}}, OPENINGS
    )
    assert parts == {"facts": "事实甲。"}
    # A decision quoted before the reasoning does not open the part.
    assert segment({"text": "判决如下：甲。经审理查明：乙。本院认为，丙。", "meta": {}}, OPENINGS) == {
        "facts": "经审理查明：乙。",
        "reasoning": "本院认为，丙。",
    }


def test_rules_score_articles_and_leave_unclear_facts_open() -> None:
    assert (
        score_article(
            "将刑法第一百四十五条修改为：生产不符合标准的医疗器械，处三年以下有期徒刑。"
        ).completeness
        == 2
    )
    assert score_article("国家保护耕地").completeness == 1
    good = score_article("国家保护耕地，严格控制耕地转为非耕地，具体办法由国务院规定。")
    assert (good.completeness, good.complexity, good.open) == (5, 3, False)
    assert score_facts("2016年3月，被告人在商场盗窃手机，价值3000元。", has_outcome=True).completeness == 5
    assert score_facts("不详。", has_outcome=False).completeness == 1
    assert score_facts("张某在家中摔倒。", has_outcome=False).open


def article(text: str, law: str = "中华人民共和国水法") -> dict:
    meta = {"law": law, "article": "第一条", "article_no": 1}
    return {"id": "s/1", "title": "《水法》第一条", "text": text, "meta": meta}


def test_a_recitation_asks_for_the_start_of_an_article() -> None:
    task = complete_lead(small_lead())["tasks"]["statute_recitation"]
    text = "水资源属于国家所有，即全民所有，由国务院代表国家行使。农村集体的水塘归集体使用。"
    candidate = recitation_candidate("statute_recitation", task, article(text), "train", 1)
    assert candidate is not None
    assert candidate.prompt.reference == "水资源属于国家所有，即全民所有，由国务院代表国家行使。"
    assert "《水法》第一条" in candidate.prompt.question
    no_place = article("一" * 60 + "。")
    assert recitation_candidate("statute_recitation", task, no_place, "train", 1) is None


RULE = {"options": 4, "options_characters": 24, "charge_characters": 9}
CHARGES = [
    "盗窃",
    "诈骗",
    "合同诈骗",
    "抢劫",
    "放火",
    "赌博",
    "受贿",
    "非法拘禁",
    "故意毁坏财物",
    "非法吸收公众存款",
]


@given(st.sampled_from(CHARGES), st.integers(0, 1000))
def test_options_hold_the_charge_once_and_nothing_like_it(charge: str, seed: int) -> None:
    options = draw_options(charge, CHARGES, RULE, seed, "case")
    assert options is not None
    assert len(options) == len(set(options)) == 4
    assert options.count(charge) == 1
    assert sum(map(len, options)) <= 24
    others = [option for option in options if option != charge]
    assert not any(option in charge or charge in option for option in others)
    assert options == draw_options(charge, CHARGES, RULE, seed, "case")


def test_the_place_of_the_answer_is_spread() -> None:
    places = [draw_options("盗窃", CHARGES, RULE, 1, f"case{n}").index("盗窃") for n in range(200)]  # type: ignore[union-attr]
    assert all(places.count(place) > 30 for place in range(4))


def test_a_charge_without_enough_distractors_is_passed_over() -> None:
    assert draw_options("盗窃", ["盗窃", "抢劫"], RULE, 1, "case") is None
    assert draw_options("伪造、变造、买卖国家机关公文", CHARGES, RULE, 1, "case") is None


def test_the_act_is_a_short_clause_with_a_cue() -> None:
    facts = "公诉机关指控：2016年3月28日20时许，被告人颜某在广场捡拾手机一部，后分多次秘密盗走人民币3723元，已赔偿。"
    assert cut_act(facts, 20, ["盗"]) == "后分多次秘密盗走人民币3723元"
    assert cut_act(facts, 20, ["枪"]) is None
    assert len(cut_act(facts, 8, ["盗"]) or "") == 8


def test_casework_needs_every_part_and_may_ask_the_model() -> None:
    builder = {"kind": "casework", "shown": ["facts"], "reference": "decision", "reference_characters": 12}
    routes = {"structural": {"share": 1, "ask": "依据《{{ title }}》命题"}}
    task = {"builder": builder, "routes": routes}
    document = {"id": "j/1", "title": "张某案", "text": JUDGMENT, "meta": {}, "date": "2020-01-01"}
    candidate = casework_candidate("judgment_prediction", task, document, OPENINGS, "train", 1)
    assert candidate is not None
    assert candidate.prompt.reference == "判决如下：被告人张某犯盗"
    assert candidate.ask == "依据《张某案》命题"
    config = {"scoring": {"lowest": 3}}
    assert needs_model(config, candidate)
    assert (
        casework_candidate("x", task, {**document, "text": "经审理查明：甲。"}, OPENINGS, "train", 1) is None
    )


def test_law_application_asks_for_the_articles_the_decision_cites() -> None:
    builder = {"kind": "casework", "shown": ["facts"], "reference": "articles", "reference_characters": 400}
    task = {
        "builder": builder,
        "routes": {"structural": {"share": 1, "question": "{{ shown }}\n适用哪些法条？"}},
    }
    document = {"id": "j/1", "title": "张某案", "text": JUDGMENT, "meta": {"articles": ["刑法第67条"]}}
    candidate = casework_candidate("law_application", task, document, OPENINGS, "train", 1)
    assert candidate is not None
    # 依照刑法第二百六十四条 stands before 判决如下, at the end of the reasoning.
    assert candidate.prompt.meta["items"] == ["《刑法》第六十七条", "《刑法》第二百六十四条"]
    assert candidate.prompt.reference == "《刑法》第六十七条\n《刑法》第二百六十四条"
    assert "盗窃手机" in candidate.prompt.question
    bare = {**document, "text": JUDGMENT.replace("刑法第二百六十四条", "法律"), "meta": {}}
    assert casework_candidate("law_application", task, bare, OPENINGS, "train", 1) is None


def test_real_queries_near_a_document_are_found(tmp_path: Path) -> None:
    (tmp_path / "q.txt").write_text("手机被偷了怎么办？\n公司不发工资怎么办？\n", encoding="utf-8")
    (tmp_path / "q.jsonl").write_text('{"question": "邻居漏水谁赔？"}\n', encoding="utf-8")
    queries = load_queries("consultation", str(tmp_path / "q.*"))
    assert queries.nearest("用人单位拖欠工资，公司不发钱", 1) == ["公司不发工资怎么办？"]
    assert len(queries.nearest("漏水", 9)) == 3
    (tmp_path / "q.jsonl").write_text("\n{}\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"q\.jsonl:2: expected an object"):
        load_queries("consultation", str(tmp_path / "q.jsonl"))


def test_a_low_mark_drops_without_asking_the_model() -> None:
    task = complete_lead(small_lead())["tasks"]["statute_recitation"]
    text = "将第一款修改为：水资源属于国家所有。"
    candidate = recitation_candidate("statute_recitation", task, article(text), "train", 1)
    assert candidate is not None
    config = {"scoring": {"lowest": 3}}
    assert not needs_model(config, candidate)
    assert settle_by_rules(config, candidate) == "low_score"


def test_routes_follow_their_shares() -> None:
    routes = {"structural": {"share": 3}, "persona": {"share": 1}}
    chosen = [choose_route(routes, 1, f"p{n}") for n in range(400)]
    assert 270 < chosen.count("structural") < 330


def prompt(name: str, law: str, reference: str) -> Prompt:
    return Prompt(
        id=name,
        task="t",
        question="q",
        reference=reference,
        documents=[],
        route="structural",
        split="train",
        meta={"law": law},
    )


def test_a_pool_takes_subjects_in_turn_and_whole_sentences_first() -> None:
    def prompts() -> list[Prompt]:
        rows = [("a", "甲", "半句"), ("b", "甲", "整句。"), ("c", "乙", "半句"), ("d", "丙", "半句")]
        return [prompt(*row) for row in rows]

    for size, expected in ((2, "bc"), (3, "bcd"), (4, "abcd")):
        pool = prompts()
        mark_pool(pool, "memorisation", size)
        assert "".join(each.id for each in pool if each.pool) == expected
    with pytest.raises(DataError, match="5 prompts are wanted, 4 are there"):
        mark_pool(prompts(), "memorisation", 5)
