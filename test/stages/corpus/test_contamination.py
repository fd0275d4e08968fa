"""Questions of the evaluation that stand in documents, and statutes that they only quote."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.jobs import make_worker

from stages._worker import jsonl
from stages._worker.failures import DataError
from stages._worker.locations import CHECKOUT
from stages.corpus.config import complete_corpus
from stages.corpus.rules.contamination import Contamination, Question, evaluation_questions
from stages.corpus.run import run
from stages.corpus.words import words_of

SHARED = CHECKOUT.parent / "shared" / "data"
ARTICLES = [
    "因不可抗力不能履行民事义务的，不承担民事责任，法律另有规定的，依照其规定。",
    "共同承揽人对定作人承担连带责任，但是当事人另有约定的除外。",
    "患者在诊疗活动中受到损害，医疗机构或者其医务人员有过错的，由医疗机构承担赔偿责任。",
    "继承开始后，继承人放弃继承的，应当在遗产处理前，以书面形式作出放弃继承的表示。",
]
ASKED = "民法典第一百八十条的内容是：\n" + "\n".join(
    f"{letter}：{text}" for letter, text in zip("ABCD", ARTICLES, strict=True)
)


def contamination(*texts: str, min_share: float = 0.7) -> Contamination:
    questions = [
        Question(name=f"suite 1_2 item {n}", task="suite 1_2", text=text) for n, text in enumerate(texts)
    ]
    return Contamination(questions, ngram=13, min_share=min_share, min_characters=30)


def test_a_page_with_the_question_is_found_however_it_is_set() -> None:
    found = contamination("别的问题：" + ARTICLES[3] * 2, ASKED)
    page = "历年真题。" * 40 + ASKED.replace("，", " , ").replace("：", ". ") + "答案：A。" * 40
    verdict = found.find(words_of(page))
    assert verdict is not None
    assert verdict[0] == "suite 1_2 item 1"
    assert verdict[1] > 0.95
    assert found.report({verdict[0]: 3}) == {
        "questions": 2,
        "too_short": 0,
        "found": {"suite 1_2": {"questions": 1, "documents": 3}},
    }


@pytest.mark.parametrize("article", ARTICLES)
def test_a_statute_that_a_question_quotes_is_clean(article: str) -> None:
    assert contamination(ASKED).find(words_of(f"《民法典》{article}")) is None


def test_a_whole_law_that_holds_every_option_far_apart_is_clean() -> None:
    law = [f"第{n}条　{'甲乙丙丁戊己庚辛'[n % 8] * 40}。" for n in range(40)]
    for place, article in zip((3, 14, 25, 36), ARTICLES, strict=True):
        law[place] = article
    assert contamination(ASKED).find(words_of("\n".join(law))) is None
    # The same options in one place are the question, its stem missing.
    assert contamination(ASKED).find(words_of(ASKED.partition("\n")[2])) is not None


def test_short_questions_and_short_texts() -> None:
    found = contamination("下列说法正确的是哪一项", ASKED)
    assert found.report({})["too_short"] == 1
    assert found.find("下列说法正确的是哪一项" * 9) is None
    assert found.find("短") is None
    assert contamination().find(words_of(ASKED)) is None


def suite(folder: Path, **more: Any) -> dict[str, Any]:
    return {
        "name": "exam",
        "about": "For a test.",
        "files": [
            {"form": "lexeval", "folder": str(folder), "tasks": [], "limit": None, "few_shot": None, **more}
        ],
    }


def test_answers_that_are_texts_count_and_letters_do_not(tmp_path: Path) -> None:
    rows = [
        {"input": ASKED, "answer": "B"},
        {
            "input": "请翻译下述法条：" + ARTICLES[0],
            "answer": "Whoever fails to perform a civil obligation " * 9,
        },
    ]
    jsonl.write(tmp_path / "5_3.jsonl", rows)
    questions = evaluation_questions([suite(tmp_path, limit=1)], 13)
    assert [each.name for each in questions] == ["exam 5_3 item 0", "exam 5_3 item 1"]
    assert questions[0].text == ASKED + "\n"
    # The article alone is a small part of a question that asks for its translation.
    found = Contamination(questions, ngram=13, min_share=0.7, min_characters=30)
    assert found.find(words_of(ARTICLES[0])) is None
    assert found.find(words_of(rows[1]["input"] + rows[1]["answer"])) is not None
    with pytest.raises(DataError, match="no such folder"):
        evaluation_questions([suite(tmp_path / "none")], 13)


def test_the_stage_drops_counts_and_keeps_them_for_reading(tmp_path: Path) -> None:
    jsonl.write(tmp_path / "exam" / "1_2.jsonl", [{"input": ASKED, "answer": "B"}])
    plain = [
        f"第{n}则：{'春夏秋冬'[n % 4]}季的会议在{n}号楼召开，代表听取了第{n * 7}份报告。" for n in range(40)
    ]
    texts = [*plain, *ARTICLES, *(f"真题{n}：{ASKED}" for n in range(9))]
    jsonl.write(tmp_path / "n.jsonl", ({"text": text} for text in texts))
    config = {
        "name": "test",
        "version": 1,
        "about": "A corpus for a test.",
        "as_of": "2026-10-01",
        "decontamination": {"evaluations": [suite(tmp_path / "exam")]},
        "dropped_samples": 5,
        "samples": 2,
        "sources": [
            {
                "name": "news",
                "group": "general",
                "license": "made up",
                "format": "jsonl",
                "path": str(tmp_path / "n.jsonl"),
                "fields": {"text": "text"},
                "split": {"heldout": {"share": 0.2}},
            }
        ],
    }
    seen = []
    for attempt in ("a", "b"):
        worker = make_worker("corpus", tmp_path / attempt, seed=7, **{"with": {"corpus": config}})
        run(worker.job, worker)
        worker.close()
        folder = tmp_path / attempt / "output" / "corpus"
        report = json.loads((folder / "report.json").read_text())
        assert report["sources"][0]["dropped"] == {"contaminated": 9}
        assert report["decontamination"]["found"] == {"exam 1_2": {"questions": 1, "documents": 9}}
        kept = list(jsonl.read(folder / "dropped" / "news.jsonl"))
        assert len(kept) == 5
        assert all(each["reason"] == "contaminated" and ASKED in each["text"] for each in kept)
        assert all(each["detail"] == "1.00 of exam 1_2 item 0" for each in kept)
        shown = report["sources"][0]["samples"]["contaminated"]
        assert [each["id"] for each in shown] == [each["id"] for each in kept[:2]]
        seen.append([each["id"] for each in kept])
    assert seen[0] == seen[1]


def test_a_suite_is_named_and_checked() -> None:
    config = {
        "name": "x",
        "version": 1,
        "about": "x",
        "as_of": "2026-10-01",
        "decontamination": {"evaluations": ["jecqa"]},
        "sources": [
            {
                "name": "n",
                "group": "general",
                "license": "x",
                "format": "text",
                "path": "x",
                "fields": {"text": "text"},
            }
        ],
    }
    (found,) = complete_corpus(config)["decontamination"]["evaluations"]
    assert (found["name"], found["files"][0]["form"], found["files"][0]["tasks"]) == ("jecqa", "jecqa", [])


@pytest.mark.skipif(not SHARED.is_dir(), reason=f"no data slices at {SHARED}")
def test_real_statutes_are_clean_and_real_judgments_behind_questions_are_not() -> None:
    suites = [
        suite(SHARED / "lexeval"),
        {"name": "jecqa", "files": [{"form": "jecqa", "folder": str(SHARED / "jecqa"), "tasks": []}]},
    ]
    found = Contamination(evaluation_questions(suites, 13), ngram=13, min_share=0.7, min_characters=30)
    statutes = [row["text"] for row in jsonl.read(SHARED / "statutes.jsonl")]
    assert [text for text in statutes if found.find(words_of(text))] == []
    # Every question finds itself.
    asked = found.questions[:: max(1, len(found.questions) // 200)]
    assert all(found.find(words_of(each.text)) for each in asked)
