"""Samples for supervised fine-tuning: messages whose answer is `<think>` trace `</think>` answer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from stages._lead.clauses import cut_at_punctuation
from stages._lead.shortlist import Shortlist
from stages._worker.chance import draw
from stages._worker.think_form import CLOSE, OPEN


def to_sample(row: dict[str, Any], marks: dict[str, float] | None) -> dict[str, Any]:
    """The sample of a refined row."""
    return {
        "id": row["id"],
        "task": row["task"],
        "messages": _messages(row["question"], row["think"], row["answer"]),
        "reference": row["reference"],
        "split": row["split"],
        "pool": row["pool"],
        "meta": {**row["meta"], "route": row["route"], **({} if marks is None else {"marks": marks})},
        "teacher": row["teacher"],
    }


def general_samples(
    documents: Iterable[dict[str, Any]], rule: dict[str, Any], seed: int
) -> Iterator[dict[str, Any]]:
    """Instructions made by rule from general text: go on with a sentence that was cut at punctuation."""
    chosen: Shortlist[dict[str, Any]] = Shortlist(rule["samples"])
    for document in documents:
        chosen.offer(
            draw(seed, "general", document["id"]),
            document["id"],
            lambda document=document: _continuation(document, rule),
        )
    yield from chosen.items()


def _continuation(document: dict[str, Any], rule: dict[str, Any]) -> dict[str, Any] | None:
    start = cut_at_punctuation(document["text"], rule["question_characters"], 6)
    if start is None:
        return None
    rest = document["text"][len(start) :].lstrip("，。；、：\n")
    answer = cut_at_punctuation(rest, rule["answer_characters"], 6)
    if answer is None:
        return None
    return {
        "id": f"general/{document['id']}",
        "task": "general",
        "source": "general",
        "messages": _messages(rule["question"].replace("{start}", start), rule["think"], answer),
        "reference": answer,
        "split": "train",
        "pool": None,
        "meta": {"document": document["id"], "license": document["license"]},
        "teacher": {"name": "rules", "revision": "1", "stand_in": False},
    }


def _messages(question: str, think: str, answer: str) -> list[dict[str, str]]:
    return [
        {"role": "user", "content": question},
        {"role": "assistant", "content": f"{OPEN}{think}{CLOSE}{answer}"},
    ]
