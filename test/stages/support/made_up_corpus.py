"""Made-up documents, sources and jobs for the corpus stage."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from support.jobs import make_job

from stages._worker import jsonl

HAN = "水土林田路桥港船渔牧种苗药品疫苗房屋租赁合同税费预算审计统计测绘气象邮政法院检察公安司法民事刑事行政"
QUESTION = "下列关于合同效力的说法，正确的是：\n" + "".join(random.Random(5).choices(HAN, k=90))


def texts(seed: int, count: int) -> list[str]:
    """Documents of 60 to 300 characters, one in nine a copy or a near copy of one far before it, some to be refused."""
    chance = random.Random(seed)
    made: list[str] = []
    for number in range(count):
        text = "".join(chance.choices(HAN, k=chance.randint(60, 300))) + "。"
        if number > 100 and number % 9 == 0:
            text = chance.choice(made)
            text = text if number % 2 else f"{text[:30]}新{text[31:]}"
        elif number % 50 == 7:
            text = chance.choice(
                ["短。", "No Chinese at all. " * 9, "重复的一句话在这里。" * 20, f"题：{QUESTION}"]
            )
        made.append(text)
    return made


def source(name: str, path: Path | list[Path], **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "group": "general",
        "license": "made up",
        "format": "jsonl",
        "path": [str(each) for each in path] if isinstance(path, list) else str(path),
        "fields": {"id": "n", "text": "text"},
        "split": {"heldout": {"share": 0.1}, "base": 0.3},
        **more,
    }


def corpus(*sources: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "name": "test",
        "version": 1,
        "about": "A corpus for a test.",
        "as_of": "2026-10-01",
        "cleaning": {"min_characters": 10},
        "duplicates": {"permutations": 64},
        "sources": list(sources),
        **more,
    }


def write(path: Path, documents: list[str], **more: Any) -> Path:
    jsonl.write(path, ({"n": number, "text": text, **more} for number, text in enumerate(documents)))
    return path


def job_of(folder: Path, config: dict[str, Any], processes: int) -> dict[str, Any]:
    return make_job("corpus", folder, **{"with": {"corpus": config, "processes": processes}})
