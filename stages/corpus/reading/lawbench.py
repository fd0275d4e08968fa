"""Criminal cases of LawBench: facts, charges, articles and prison terms of several tasks, joined by their facts."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

from stages._worker.locate import SourceFile
from stages.corpus.reading.rows import BrokenRow, Row

Lines = Iterator[tuple[int, "str | BrokenRow"]]

_PARTS = re.compile(r"(罪名|法条|刑期)\s*[:：]")
_ARTICLES = re.compile(r"第([\d、,，]+)条")
_MONTHS = re.compile(r"(\d+)\s*个?月")


def read_lawbench(
    files: list[SourceFile], lines_of: Callable[[SourceFile], Lines]
) -> Iterator[Row | BrokenRow]:
    """Cases of the first file; the other files add fields to cases with the same facts.

    A line is {"query": "事实:… 罪名:… 法条:…", "response": "罪名:…" | "法条:…" | "刑期:…"}. A row has facts,
    charges (list), articles (list such as 刑法第264条) and term_months (or None).
    """
    cases: dict[str, Row] = {}
    for index, file in enumerate(files):
        for number, line in lines_of(file):
            parsed = line if isinstance(line, BrokenRow) else _parse(file, number, line)
            if isinstance(parsed, BrokenRow):
                yield parsed
            elif parsed is not None:
                _join(cases, parsed, new=index == 0)
    yield from cases.values()


def _join(cases: dict[str, Row], row: Row, *, new: bool) -> None:
    known = cases.get(row.values["facts"])
    if known is None:
        if new:
            cases[row.values["facts"]] = row
        return
    for name, value in row.values.items():
        if not known.values[name]:
            known.values[name] = value


def _parse(file: SourceFile, number: int, line: str) -> Row | BrokenRow | None:
    if not line.strip():
        return None
    try:
        record = json.loads(line)
        text = f"{record['query']}\n{record['response']}"
    except (ValueError, KeyError, TypeError) as error:
        reason = f"expected an object with query and response ({type(error).__name__}: {error})"
        return BrokenRow(file=file.name, line=number, reason=reason, excerpt=line[:120])
    facts, *rest = _PARTS.split(text)
    values = _fields(dict(zip(rest[::2], rest[1::2], strict=True)))
    facts = facts.strip().removeprefix("事实").lstrip(":：").strip()
    if not facts:
        return BrokenRow(file=file.name, line=number, reason="no facts", excerpt=line[:120])
    return Row(values={"facts": facts, **values}, file=file.name, line=number)


def _fields(parts: dict[str, str]) -> dict[str, Any]:
    charges = parts.get("罪名", "").strip(" 。\r\n")
    numbers = [
        each for group in _ARTICLES.findall(parts.get("法条", "")) for each in re.split("[、,，]", group)
    ]
    months = _MONTHS.search(parts.get("刑期", ""))
    return {
        "charges": [charge.strip() for charge in re.split("[;；]", charges) if charge.strip()],
        "articles": [f"刑法第{number}条" for number in dict.fromkeys(numbers) if number],
        "term_months": int(months.group(1)) if months else None,
    }
