"""The knowledge base: statutes of the corpus, found by citation and by BM25 over jieba words."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

import bm25s
import jieba

from stages._lead.citations import citations

jieba.setLogLevel(logging.WARNING)


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
