"""Citations of statutes in a text, in both numerals."""

from __future__ import annotations

import re

_NUMBER = r"(?:\d+|[零〇一二三四五六七八九十百千]+)"
_INSERTED = "(?:之[一二三四五六七八九十]+)?"
_ARTICLE = rf"第{_NUMBER}条{_INSERTED}"
_PARAGRAPH = rf"(?:第{_NUMBER}[款项]|第?[（(][一二三四五六七八九十]+[）)]项?)*"
_LAW = r"[\u4e00-\u9fff]{1,40}?(?:法典|法|条例|规定|解释|决定|规则|办法)"
_CITATION = re.compile(rf"(《?)({_LAW})》?((?:{_ARTICLE}{_PARAGRAPH}[、，和及]*)+)")
# Words that run into the name of a law where it stands without 《》.
_RUN_IN = re.compile(
    r"^(?:依照|根据|依据|适用|按照|参照|违反|触犯|以及|应当|应依|应|和|及|与|依|据|按|即|我国|现行)+"
)
_DIGITS = "零一二三四五六七八九"


def citations(text: str) -> list[tuple[str, str]]:
    """(law, article) of every article a text cites, each once; articles in a row share the law before them.

    刑法第264条 is (刑法, 第二百六十四条); 中华人民共和国 is left out of names, paragraphs and items are left out; an
    article put in later (第一百二十条之一) is one of its own.
    """
    found = []
    for quoted, law, articles in _CITATION.findall(text):
        name = law if quoted else _RUN_IN.sub("", law)
        for number, inserted in re.findall(rf"第({_NUMBER})条({_INSERTED})", articles):
            numeral = chinese_number(int(number)) if number.isdigit() else number
            found.append((name.removeprefix("中华人民共和国"), f"第{numeral}条{inserted}"))
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
