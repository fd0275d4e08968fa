"""A corpus artifact of a few hundred made-up documents."""

from __future__ import annotations

from pathlib import Path

from stages._worker import jsonl

_SUBJECTS = ["当事人", "人民法院", "用人单位", "劳动者", "经营者", "消费者", "行政机关", "债务人"]
_VERBS = ["应当", "可以", "不得", "有权", "依法"]
_OBJECTS = ["承担赔偿责任", "提起诉讼", "解除合同", "申请执行", "支付价款", "公开信息", "提供担保"]
_NEWS = ["今天上午", "据记者报道", "在会议上", "去年以来", "全国各地"]


def tiny_corpus(folder: Path, *, documents: int = 120) -> Path:
    """documents/{base,train,heldout}/{general,legal}.jsonl."""
    for split_number, split in enumerate(("base", "train", "heldout")):
        count = documents if split != "heldout" else documents // 5
        for group in ("general", "legal"):
            rows = [_document(split, group, split_number * 1000 + n) for n in range(count)]
            jsonl.write(folder / "documents" / split / f"{group}.jsonl", rows)
    return folder


def _document(split: str, group: str, n: int) -> dict[str, object]:
    sentences = []
    for k in range(2 + n % 5):
        m = n * 31 + k * 17
        head = _SUBJECTS[m % 8] if group == "legal" else _NEWS[m % 5] + "，" + _SUBJECTS[(m // 3) % 8]
        sentences.append(f"{head}{_VERBS[(m // 8) % 5]}{_OBJECTS[(m // 5) % 7]}。")
    return {"id": f"{split}-{group}-{n}", "group": group, "title": str(n), "text": "".join(sentences)}
