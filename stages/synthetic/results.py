"""What a shard leaves: documents for mid-training, what was dropped and why, licences, a report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from stages._worker import jsonl
from stages._worker.data.documents import documents_file
from stages.synthetic.config import PRODUCTS
from stages.synthetic.writing import Written

_STAND_IN = "a scripted stand-in wrote it by rules, no model: not for training"


def document_of(config: dict[str, Any], written: Written, marks: dict[str, float] | None) -> dict[str, Any]:
    """The document of an accepted text, of the form of a corpus."""
    product, name = written.wanted.product, written.wanted.template
    source, template = written.source, config[product][name]
    return {
        "id": f"synthetic/{PRODUCTS[product]}/{name}/{source['id']}",
        "group": "synthetic",
        "title": f"{source['title']}（{template['title']}）"[:120],
        "text": written.text,
        "source": PRODUCTS[product],
        "license": f"{_license_of(config, written)}; made from text under: {source['license']}",
        "date": source.get("date"),
        "status": source.get("status"),
        "meta": {
            "source": source["id"],
            "source_license": source["license"],
            "product": PRODUCTS[product],
            "view" if product == "views" else "style": name,
            "teacher": written.teacher,
            **({} if marks is None else {"marks": marks}),
        },
    }


def write_results(
    folder: Path, config: dict[str, Any], written: list[Written], marks: dict[int, dict[str, float] | None]
) -> dict[str, Any]:
    """Writes everything but the report, and returns what the report says of it; `marks` go by place in `written`."""
    documents = [
        document_of(config, each, marks.get(place))
        for place, each in enumerate(written)
        if each.fault is None
    ]
    jsonl.write(documents_file(folder, "train", "synthetic"), documents)
    jsonl.write(folder / "dropped.jsonl", _kept_faults(written, config["kept_faults"]))
    jsonl.write_json(folder / "licenses.json", _licenses(documents))
    characters = sum(len(each["text"]) for each in documents)
    return {
        "asked": len(written),
        "splits": {"train": {"synthetic": {"documents": len(documents), "characters": characters}}},
        "templates": _by_template(written),
        "dropped": dict(sorted(Counter(each.fault.reason for each in written if each.fault).items())),
        "stand_in_documents": sum(each["meta"]["teacher"]["stand_in"] for each in documents),
    }


def _license_of(config: dict[str, Any], written: Written) -> str:
    return _STAND_IN if written.teacher["stand_in"] else config["license"]


def _by_template(written: list[Written]) -> dict[str, dict[str, int]]:
    counts: dict[str, Counter[str]] = {}
    for each in written:
        count = counts.setdefault(f"{PRODUCTS[each.wanted.product]}/{each.wanted.template}", Counter())
        count["asked"] += 1
        if each.fault is None:
            count.update(documents=1, characters=len(each.text))
    return {name: dict(counts[name]) for name in sorted(counts)}


def _kept_faults(written: Iterable[Written], most: int) -> Iterable[dict[str, Any]]:
    kept: Counter[str] = Counter()
    for each in written:
        if each.fault is None or kept[each.fault.reason] >= most:
            continue
        kept[each.fault.reason] += 1
        yield {
            "reason": each.fault.reason,
            "detail": each.fault.detail,
            "product": PRODUCTS[each.wanted.product],
            "template": each.wanted.template,
            "source": each.source["id"],
            "text": each.text,
        }


def _licenses(documents: list[dict[str, Any]]) -> list[dict[str, str]]:
    found = sorted({(each["source"], each["license"]) for each in documents})
    return [{"source": source, "group": "synthetic", "license": license} for source, license in found]
