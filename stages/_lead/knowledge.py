"""The knowledge base: statutes of the corpus, found by citation and by BM25 over jieba words."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from typing import Any

import bm25s
import jieba

jieba.setLogLevel(logging.WARNING)

_CITATION = re.compile(
    r"《?([\u4e00-\u9fff]{2,40}?(?:法|法典|条例|规定|解释|决定|规则|办法))》?第(\d+|[零〇一二三四五六七八九十百千]+)条"
)
_DIGITS = "零一二三四五六七八九"


class KnowledgeBase:
    """Statute articles {id, title, text, split}; titles are `《law》article`."""

    def __init__(self, articles: Iterable[dict[str, Any]]) -> None:
        self._articles = list(articles)
        self._by_title = {article["title"]: index for index, article in enumerate(self._articles)}
        self._index = bm25s.BM25()
        words = [self._words(f"{article['title']}{article['text']}") for article in self._articles]
        self._index.index(words, show_progress=False)

    def __len__(self) -> int:
        return len(self._articles)

    def find(self, query: str, count: int, *, heldout: bool) -> list[dict[str, Any]]:
        """Up to `count` articles: those the query cites, then the best by BM25.

        Articles held out from training are found only when `heldout` is true, so that they cannot reach a sample
        that is trained on.
        """
        cited = [self._by_title[title] for title in citations(query) if title in self._by_title]
        wanted = min(len(self._articles), 4 * count)
        ranked, _ = self._index.retrieve([self._words(query)], k=wanted, show_progress=False)
        found = dict.fromkeys([*cited, *(int(index) for index in ranked[0])])
        allowed = [self._articles[index] for index in found]
        return [each for each in allowed if heldout or each["split"] != "heldout"][:count]

    @staticmethod
    def _words(text: str) -> list[str]:
        return [word for word in jieba.cut(text) if word.strip()]


def citations(text: str) -> list[str]:
    """Titles of the articles a text cites, with Chinese numerals: 刑法第264条 is 《刑法》第二百六十四条."""
    found = []
    for law, number in _CITATION.findall(text):
        short = law.removeprefix("中华人民共和国")
        found.append(f"《{short}》第{chinese_number(int(number)) if number.isdigit() else number}条")
    return list(dict.fromkeys(found))


def chinese_number(number: int) -> str:
    """1 to 9999 as statutes write it: 264 is 二百六十四, 12 is 十二, 105 is 一百零五."""
    text = ""
    for power, unit in ((1000, "千"), (100, "百"), (10, "十"), (1, "")):
        digit = number // power % 10
        if digit:
            text += _DIGITS[digit] + unit
        elif text and number % power and not text.endswith("零"):
            text += "零"
    return text.removeprefix("一") if text.startswith("一十") else text
