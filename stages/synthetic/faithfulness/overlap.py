"""How much of a source a text repeats, and how much of it the text is about."""

from __future__ import annotations

import logging
import re

import jieba
import jieba.analyse

jieba.setLogLevel(logging.WARNING)
_NOT_WORDS = re.compile(r"[\W_]+")
_NUMBER = re.compile(
    r"[第\d零〇一二三四五六七八九十百千万亿两][\d.,零〇一二三四五六七八九十百千万亿两]*[条款项年月日元]?"
)


def copied_share(output: str, source: str, n: int) -> float:
    """Share of the character n-grams of `output`, without marks and space, that stand in `source`; 0 to 1."""
    own, known = _grams(output, n), set(_grams(source, n))
    return sum(gram in known for gram in own) / len(own) if own else 0.0


def key_terms(source: str, count: int) -> list[str]:
    """The words that tell a source from others, by TF-IDF over jieba words, weightiest first; no numbers."""
    words = jieba.analyse.extract_tags(source, topK=3 * count)
    return [word for word in words if not _NUMBER.fullmatch(word)][:count]


def terms_share(output: str, terms: list[str]) -> float:
    """Share of the terms that `output` has; 1 when there are none."""
    return sum(term in output for term in terms) / len(terms) if terms else 1.0


def _grams(text: str, n: int) -> list[str]:
    plain = _NOT_WORDS.sub("", text)
    return [plain[start : start + n] for start in range(len(plain) - n + 1)]
