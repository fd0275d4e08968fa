"""The label sets of test/fixtures/law are well-formed: what they say is in their README."""

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

FIXTURES = Path(__file__).parents[2] / "fixtures" / "law"
INSERTED = re.compile(r"[1-9][0-9]*之[一二三四五六七八九十]+")


def rows(name: str) -> list[dict[str, Any]]:
    """The rows of one set."""
    with (FIXTURES / name).open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def repeated(values: list[str]) -> list[str]:
    """The values that occur more than once."""
    return [value for value, times in Counter(values).items() if times > 1]


def is_article(value: Any) -> bool:
    """A plain number as an integer, an inserted article as text."""
    if isinstance(value, str):
        return bool(INSERTED.fullmatch(value))
    return type(value) is int and 1 <= value <= 1300


def is_part(value: Any) -> bool:
    """The number of a paragraph or an item, or none."""
    return value is None or (type(value) is int and 1 <= value <= 60)


def test_citations_are_well_formed():
    labelled = rows("citations.jsonl")
    for row in labelled:
        assert list(row) == ["id", "text", "citations"], row
        assert row["text"].strip(), row
        for cited in row["citations"]:
            assert list(cited) == ["law", "article", "paragraph", "item"], row
            assert is_article(cited["article"]), row
            assert is_part(cited["paragraph"]) and is_part(cited["item"]), row
        assert not repeated([json.dumps(cited) for cited in row["citations"]]), row
    assert not repeated([row["id"] for row in labelled])
    assert not repeated([row["text"] for row in labelled])


def test_citations_name_laws_in_one_way():
    for row in rows("citations.jsonl"):
        for cited in row["citations"]:
            law = cited["law"]
            assert law is None or law, row
            assert not re.search(r"中华人民共和国|[《》〈〉()\s]|最高人民|修正）|修订）", law or ""), row


def test_citations_are_many_and_not_all_of_them_easy():
    labelled = rows("citations.jsonl")
    incomplete = [row for row in labelled if row["id"].split("-")[0] in ("negative", "partial")]
    assert len(labelled) >= 320
    assert len(incomplete) >= 40
    assert sum(not row["citations"] for row in labelled) >= 40


REWARDS = {"law-application", "memorisation", "choice", "charge", "term"}


def test_rewards_are_well_formed():
    cases = rows("rewards.jsonl")
    for case in cases:
        assert set(case) - {"items"} == {"id", "reward", "reference", "answer", "expected", "why"}, case
        assert case["reward"] in REWARDS and case["reference"] and case["why"], case
        assert case["expected"] and set(case["expected"]) <= {"at_least", "at_most"}, case
        low, high = case["expected"].get("at_least", 0), case["expected"].get("at_most", 1)
        assert 0 <= low <= high <= 1, case
        assert ("items" in case) == (case["reward"] == "law-application"), case
    assert not repeated([case["id"] for case in cases])
    assert not repeated([f"{case['reward']} {case['reference']} {case['answer']}" for case in cases])


def test_every_reward_has_right_and_wrong_cases():
    cases = rows("rewards.jsonl")
    assert len(cases) >= 70
    for reward in REWARDS:
        bounds = [case["expected"] for case in cases if case["reward"] == reward]
        assert sum(bound.get("at_least", 0) >= 0.9 for bound in bounds) >= 5, reward
        assert sum(bound.get("at_most", 1) <= 0.5 for bound in bounds) >= 5, reward


REPLY = ["id", "task", "material", "question", "withheld", "reference", "think", "answer", "fate", "reason"]
TASKS = {
    "statute_recitation",
    "law_application",
    "charge_choice",
    "judgment_prediction",
    "consultation",
    "summary",
    "drafting",
}
FAULTS = {
    "wrong_charge",
    "wrong_letter",
    "wrong_article",
    "wrong_term",
    "wrong_outcome",
    "wrong_text",
    "invented_fact",
    "peeking",
    "truncated",
    "contradiction",
    "not_in_force",
}
DATE = re.compile(r"[12][0-9]{3}-[01][0-9]-[0-3][0-9]")


def quotes(text: str, source: str, length: int) -> bool:
    """Whether the text holds so many characters of the source in a row."""
    return any(source[at : at + length] in text for at in range(len(source) - length + 1))


def is_cut(text: str) -> bool:
    """Whether a text of sentences ends in the middle of one."""
    return not text.endswith(("。", "”", "！", "？"))


def test_replies_are_well_formed():
    replies = rows("replies.jsonl")
    for reply in replies:
        assert list(reply) == REPLY, reply
        assert all(isinstance(reply[name], str) for name in REPLY), reply
        assert reply["task"] in TASKS, reply
        assert 80 <= len(reply["material"]) <= 300, reply
        assert reply["question"] and reply["reference"] and reply["think"] and reply["answer"], reply
        assert (reply["fate"] == "keep") == (reply["reason"] == "right"), reply
        assert reply["fate"] == "keep" or reply["reason"] in FAULTS, reply
    assert not repeated([reply["id"] for reply in replies])
    assert not repeated([" ".join(reply[name] for name in REPLY[1:-2]) for reply in replies])


def test_replies_have_the_faults_that_they_are_said_to_have():
    for reply in rows("replies.jsonl"):
        reason, seen = reply["reason"], reply["material"] + reply["question"]
        if reason == "peeking":
            assert reply["withheld"] and not quotes(seen, reply["withheld"], 30), reply
            assert quotes(reply["think"], reply["withheld"], 8), reply
        if reply["task"] == "charge_choice" and reason not in ("wrong_letter", "contradiction"):
            assert re.findall(r"[A-D]", reply["answer"]) == [reply["reference"]], reply
        if reason == "wrong_letter":
            assert reply["reference"] not in reply["answer"], reply
        if reply["task"] == "statute_recitation":
            assert reply["reference"] in reply["material"], reply
        assert is_cut(reply["think"]) <= (reason == "truncated"), reply


def test_replies_are_spread_over_the_faults():
    reasons = Counter(reply["reason"] for reply in rows("replies.jsonl"))
    assert reasons["right"] == 80
    assert sum(reasons[fault] for fault in FAULTS) == 120
    assert all(9 <= reasons[fault] <= 13 for fault in FAULTS), reasons


def test_laws_of_the_replies_are_well_formed():
    laws = rows("laws.jsonl")
    for law in laws:
        assert list(law) == ["law", "from", "until", "last", "inserted"], law
        assert DATE.fullmatch(law["from"]), law
        assert law["until"] is None or (DATE.fullmatch(law["until"]) and law["from"] < law["until"]), law
        assert law["last"] is None or is_article(law["last"]), law
        assert all(INSERTED.fullmatch(article) for article in law["inserted"]), law
    assert not repeated([f"{law['law']} {law['from']}" for law in laws])


def test_documents_hold_their_segments():
    documents = rows("documents.jsonl")
    for document in documents:
        assert list(document) == ["id", "kind", "text", "segments"], document["id"]
        assert 400 <= len(document["text"]) <= 900, document["id"]
        assert list(document["segments"]) == ["facts", "reasoning", "decision"], document["id"]
        passages = [passage for found in document["segments"].values() for passage in found]
        assert all(document["text"].count(passage) == 1 for passage in passages), document["id"]
        starts = [document["text"].index(passage) for passage in passages]
        ends = [start + len(passage) for start, passage in zip(starts, passages, strict=True)]
        assert all(end <= start for end, start in zip(ends, starts[1:], strict=False)), document["id"]
        assert len(document["segments"]["reasoning"]) == len(document["segments"]["decision"]) == 1
    assert Counter(document["kind"] for document in documents) == {"civil": 10, "administrative": 10}
    assert not repeated([document["id"] for document in documents])
    assert not repeated([document["text"] for document in documents])
