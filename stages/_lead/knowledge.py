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
    r"《?([\u4e00-\u9fff]{1,40}?(?:法典|法|条例|规定|解释|决定|规则|办法))》?第(\d+|[零〇一二三四五六七八九十百千]+)条"
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
        cited = [
            index for words, article in citations(query) if (index := self._cited(words, article)) is not None
        ]
        wanted = min(len(self._articles), 4 * count)
        ranked, _ = self._index.retrieve([self._words(query)], k=wanted, show_progress=False)
        found = dict.fromkeys([*cited, *(int(index) for index in ranked[0])])
        allowed = [self._articles[index] for index in found]
        return [each for each in allowed if heldout or each["split"] != "heldout"][:count]

    def _cited(self, words: str, article: str) -> int | None:
        # Without 《》 the words before the law's name come along: 依照民法典第十条.
        titles = (f"《{words[start:]}》{article}" for start in range(len(words)))
        return next((self._by_title[title] for title in titles if title in self._by_title), None)

    @staticmethod
    def _words(text: str) -> list[str]:
        return [word for word in jieba.cut(text) if word.strip()]


def citations(text: str) -> list[tuple[str, str]]:
    """What a text cites: the words that end with a law's name, and the article in Chinese numerals.

    刑法第264条 is (刑法, 第二百六十四条); 中华人民共和国 is left out of names.
    """
    found = []
    for law, number in _CITATION.findall(text):
        numeral = chinese_number(int(number)) if number.isdigit() else number
        found.append((law.removeprefix("中华人民共和国"), f"第{numeral}条"))
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
