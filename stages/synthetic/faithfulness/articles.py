"""Cited articles: each must stand in the source or in the statutes of the corpus."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from stages._lead.citations import chinese_number

_NUMBER = r"(?:\d+|[零〇一二三四五六七八九十百千]+)"
_LAW = r"(?:法典|法|条例|规定|解释|决定|规则|办法)"
# 《law》, a law's name without marks, or an article; read from left to right, an article belongs to the law before it.
_TOKEN = re.compile(
    rf"《(?P<quoted>[^《》]{{1,60}})》|第(?P<number>{_NUMBER})条(?:之(?P<sub>[一二三四五六七八九十]+))?"
    rf"|(?P<plain>[\u4e00-\u9fff]{{1,40}}?{_LAW})(?=第{_NUMBER}条|[（(][^（）()]{{1,20}}[）)]第{_NUMBER}条)"
)
_COUNTRY = "中华人民共和国"
# 该法, 本条例: the law that was named last.
_POINTING = re.compile(rf"(?:该|本|此|同|其|上述|前述|这部){_LAW}$")


class Statutes:
    """Articles of the corpus, by law and number; laws go by their name without 中华人民共和国."""

    def __init__(self, documents: Iterable[dict[str, Any]]) -> None:
        self._texts: dict[str, dict[str, str]] = {}
        for document in documents:
            meta = document.get("meta") or {}
            if isinstance(meta.get("law"), str) and isinstance(meta.get("article"), str):
                law = self._texts.setdefault(meta["law"].removeprefix(_COUNTRY), {})
                law[meta["article"]] = document["text"]

    def __len__(self) -> int:
        return sum(len(law) for law in self._texts.values())

    def text(self, law: str, article: str) -> str | None:
        """The text of an article, or None."""
        return self._texts.get(law, {}).get(article)

    def law_in(self, words: str) -> str | None:
        """The longest law whose name ends `words`: 违反了刑法 names 刑法."""
        return next((words[start:] for start in range(len(words)) if words[start:] in self._texts), None)


def cited_articles(text: str) -> list[tuple[str | None, bool, str]]:
    """(law, whether it stood in 《》, article) of every citation; None for an article before any law.

    Both numerals are read, 之一 stays: 刑法第120条之一 is (刑法, False, 第一百二十条之一).
    """
    law: str | None = None
    quoted = False
    found: dict[tuple[str | None, bool, str], None] = {}
    for token in _TOKEN.finditer(text):
        if token["number"] is None:
            if token["plain"] and _POINTING.search(token["plain"]):
                continue
            law = (token["quoted"] or token["plain"]).removeprefix(_COUNTRY)
            quoted = token["quoted"] is not None
            continue
        number = chinese_number(int(token["number"])) if token["number"].isdigit() else token["number"]
        sub = f"之{token['sub']}" if token["sub"] else ""
        found[law, quoted, f"第{number}条{sub}"] = None
    return list(found)


def check_articles(output: str, source: str, statutes: Statutes) -> tuple[str | None, list[str]]:
    """The first citation that nothing bears out, or None, and the texts of those found in the statutes.

    An article without a law (该法第五条) must be one that the source names. An article of a law that the source
    cites is borne out by that very pair, in the source or in the statutes, and by nothing else.
    """
    own = cited_articles(source)
    pairs = {(_plain(law), article) for law, _, article in own if law is not None}
    numbers = {article for _, _, article in own}
    texts = []
    for law, quoted, article in cited_articles(output):
        if law is None:
            if article not in numbers:
                return article, texts
            continue
        name = _plain(law)
        known = name if quoted else statutes.law_in(name) or name
        text = statutes.text(known, article)
        if text is not None:
            texts.append(text)
        elif not _in_source(name, article, pairs, quoted):
            return f"《{known}》{article}", texts
    return None, texts


def _in_source(name: str, article: str, pairs: set[tuple[str, str]], quoted: bool) -> bool:
    """Names without 《》 come with the words before them, in the source and in the output."""
    for law, number in pairs:
        if number == article and (law == name or (not quoted and _one_ends_other(law, name))):
            return True
        if number == article and quoted and law.endswith(name):
            return True
    return False


def _one_ends_other(first: str, second: str) -> bool:
    return first.endswith(second) or second.endswith(first)


def _plain(law: str) -> str:
    """Without country and edition: 中华人民共和国刑法（2020年修正） is 刑法."""
    return re.sub(r"[（(].*?[）)]$", "", law).removeprefix(_COUNTRY)
