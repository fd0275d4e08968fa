"""A small corpus of made-up statutes, criminal cases and news, and a small LEAD config for it."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import yaml

from stages._lead.citations import chinese_number
from stages._worker import jsonl
from stages._worker.locations import CHECKOUT

_LAWS = ["渔业法", "港口法", "种子法", "气象法", "测绘法", "邮政法", "水法", "电力法", "铁路法", "统计法"]
_CHARGES = {
    "盗窃": "秘密窃取他人财物",
    "诈骗": "骗取他人现金",
    "抢劫": "持刀抢走他人手机",
    "放火": "点燃他人房屋",
    "赌博": "聚众赌博抽头渔利",
    "受贿": "收受他人贿赂款",
    "非法拘禁": "将他人拘禁于屋内",
    "故意毁坏财物": "砸毁他人车辆",
}


def legal_corpus(folder: Path) -> Path:
    """documents/{train,heldout}/{general,legal}.jsonl: 60 + 20 articles, 40 + 16 cases, 30 news."""
    jsonl.write(folder / "documents" / "train" / "legal.jsonl", [*_articles(0, 6), *_cases("train", 40)])
    jsonl.write(folder / "documents" / "heldout" / "legal.jsonl", [*_articles(6, 8), *_cases("heldout", 16)])
    news = [
        _document(
            f"news/{n}", f"第{n}号消息，记者今天从会议上了解到。今年粮食产量增长{n}成，各地做好准备。", {}
        )
        for n in range(30)
    ]
    jsonl.write(folder / "documents" / "train" / "general.jsonl", news)
    return folder


def small_lead(**changes: Any) -> dict[str, Any]:
    """configs/lead/demo.yaml with small numbers; `changes` go to the teacher and the judge."""
    path = CHECKOUT / "configs" / "lead" / "demo.yaml"
    config = {"name": "small", **yaml.safe_load(path.read_text(encoding="utf-8"))}
    for task in config["tasks"].values():
        task.update(train=12, heldout=6, fewest_heldout=4)
        task["pool"].update(size=2, spare=1)
    config["general"]["samples"] = 10
    for role in ("teacher", "judge"):
        config[role].update(copy.deepcopy({"tries": 3, "back_off_seconds": 0.01, **changes}))
    return config


def _articles(first: int, last: int) -> list[dict[str, Any]]:
    return [_article(law, number) for law in _LAWS[first:last] for number in range(1, 11)]


def _article(law: str, number: int) -> dict[str, Any]:
    article = f"第{chinese_number(number)}条"
    text = (
        f"{law}的第{number}类主管部门负责监督管理工作。有关单位应当在{number * 3}日内报告情况，"
        f"说明理由，并接受{law}规定的检查。违反规定的，处{number}万元以下罚款。"
    )
    meta = {"law": f"中华人民共和国{law}", "article": article, "article_no": number, "chapter": None}
    return _document(f"statutes/{law}-{number}", text, meta, title=f"《{law}》{article}")


def _cases(split: str, count: int) -> list[dict[str, Any]]:
    names = list(_CHARGES)
    return [_case(split, number, names[number % len(names)]) for number in range(count)]


def _case(split: str, number: int, charge: str) -> dict[str, Any]:
    facts = (
        f"公诉机关指控：2016年{number % 12 + 1}月{number % 27 + 1}日，被告人张某在{split}市第{number}街道"
        f"{_CHARGES[charge]}，价值人民币{1000 + number}元。案发后被告人如实供述，经鉴定，上述事实清楚，证据充分。"
    )
    meta = {"facts": facts, "charges": [charge], "articles": [f"刑法第{260 + number % 8}条"]}
    text = f"{facts}\n罪名：{charge}。"
    return _document(f"cases/{split}-{number}", text, meta, title=f"刑事案件：{charge}")


def _document(identity: str, text: str, meta: dict[str, Any], title: str = "") -> dict[str, Any]:
    return {
        "id": identity,
        "group": "legal" if meta else "general",
        "title": title,
        "text": text,
        "source": identity.split("/")[0],
        "license": "made up",
        "date": None,
        "status": None,
        "meta": meta,
    }
