"""Figures of a text: dates, and numbers with what they count, in one unit a kind."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from fractions import Fraction

from stages.synthetic.faithfulness.numerals import ARABIC, CHINESE, read_number

_UNITS = {
    "元": ("money", 1),
    "块钱": ("money", 1),
    "美元": ("us_money", 1),
    "年": ("months", 12),
    "个月": ("months", 1),
    "月": ("months", 1),
    "日": ("days", 1),
    "号": ("days", 1),
    "天": ("days", 1),
    "周岁": ("age", 1),
    "岁": ("age", 1),
    "个小时": ("minutes", 60),
    "小时": ("minutes", 60),
    "分钟": ("minutes", 1),
    "毫克": ("grams", Fraction(1, 1000)),
    "千克": ("grams", 1000),
    "公斤": ("grams", 1000),
    "克": ("grams", 1),
    "吨": ("grams", 10**6),
    "毫升": ("millilitres", 1),
    "升": ("millilitres", 1000),
    "平方米": ("area", 1),
    "平方公里": ("area", 10**6),
    "公顷": ("area", 10**4),
    "亩": ("mu", 1),
    "立方米": ("volume", 1),
    "公里": ("metres", 1000),
    "千米": ("metres", 1000),
    "厘米": ("metres", Fraction(1, 100)),
    "米": ("metres", 1),
    "%": ("percent", 1),
    "‰": ("percent", Fraction(1, 10)),
    "倍": ("times_as_much", 1),
    "人": ("people", 1),
    "名": ("people", 1),
    "次": ("occasions", 1),
    "起": ("occasions", 1),
    "件": ("pieces", 1),
    "户": ("households", 1),
    "辆": ("vehicles", 1),
    "处": ("places", 1),
}
# 一起, 一次性, 一人公司, 一处: words, not counts.
_WORDLIKE = {"people", "occasions", "pieces", "households", "vehicles", "places"}
_NUMBER = rf"(?:{ARABIC}[百千万亿]*|{CHINESE})"
_UNIT = "|".join(sorted(_UNITS, key=len, reverse=True))
_YEAR = r"(?:\d{4}|[一二][零〇一二三四五六七八九]{3})"
_DAY = r"(?:\d{1,2}|[一二三四五六七八九十]{1,3})"
_DATE = re.compile(rf"({_YEAR})年(?:({_DAY})月(?:({_DAY})[日号])?)?|({_DAY})月({_DAY})[日号]")
_ISO_DATE = re.compile(r"(?<!\d)(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})(?!\d)")
_PERCENT = re.compile(rf"百分之({_NUMBER})")
_PART = re.compile(rf"({CHINESE}|\d+)分之({CHINESE}|\d+)")
_QUANTITY = re.compile(rf"({_NUMBER})[余多来]?({_UNIT})")
_LONE = re.compile(ARABIC + r"[百千万亿]*")
_ORDINAL = re.compile(rf"第(?:\d+|{CHINESE}|百[零〇一二三四五六七八九十]*)[条款项章节编目页](?:之{CHINESE})?")
_LIST_MARK = re.compile(r"^\s*(?:[（(]\s*\d{1,2}\s*[）)]|\d{1,2}\s*[、.．)）](?!\d))", re.MULTILINE)


@dataclass(slots=True)
class Figures:
    """Figures of a text. A date is (year, month, day) with None for what is not said."""

    dates: set[tuple[int | None, int | None, int | None]] = field(default_factory=set)
    quantities: dict[tuple[str, Fraction], str] = field(default_factory=dict)
    """(kind, value in the kind's unit) and how it was written."""
    lone: dict[Fraction, str] = field(default_factory=dict)
    """Numbers in digits without a unit."""


def read_figures(text: str) -> Figures:
    """All figures of a text. Marks of lists, and numbers of articles, paragraphs and chapters, are none."""
    found = Figures()
    rest = unicodedata.normalize("NFKC", text)
    rest = _LIST_MARK.sub("。", _ORDINAL.sub("。", rest))
    rest = _take_dates(rest, found)
    for pattern in (_PERCENT, _PART, _QUANTITY):
        rest = pattern.sub(lambda match, pattern=pattern: _take(match, pattern, found), rest)
    for match in _LONE.finditer(rest):
        _put(found.lone, read_number(match.group()), match.group())
    return found


def missing_figure(output: Figures, source: Figures) -> str | None:
    """The first figure of `output`, as written, that `source` does not have; None when it has all."""
    for date in sorted(output.dates, key=lambda item: tuple(part or 0 for part in item)):
        if not any(_same_date(date, known) for known in source.dates):
            return "-".join("?" if part is None else str(part) for part in date)
    days = {Fraction(day) for _, _, day in source.dates if day is not None}
    for (kind, value), written in output.quantities.items():
        known = (kind, value) in source.quantities or value in source.lone
        if not known and not (kind == "days" and value in days):
            return written
    values = {value for _, value in source.quantities} | set(source.lone) | _written_values(source)
    values |= {Fraction(part) for date in source.dates for part in date if part is not None}
    return next((written for value, written in output.lone.items() if value not in values), None)


def _take_dates(text: str, found: Figures) -> str:
    year: int | None = None

    def take(match: re.Match[str]) -> str:
        nonlocal year
        parts = [_whole(part) for part in match.groups()]
        if len(parts) == 5:
            parts = parts[:3] if parts[0] is not None else [None, parts[3], parts[4]]
        if parts[0] is not None:
            year = parts[0]
        else:
            # A date without a year is of the year named last; asked for without one it is found too.
            parts[0] = year
        found.dates.add((parts[0], parts[1], parts[2]))
        return "。"

    return _DATE.sub(take, _ISO_DATE.sub(lambda match: "{}年{}月{}日".format(*match.groups()), text))


def _same_date(asked: tuple[int | None, ...], known: tuple[int | None, ...]) -> bool:
    return all(part is None or part == other for part, other in zip(asked, known, strict=True))


def _take(match: re.Match[str], pattern: re.Pattern[str], found: Figures) -> str:
    written = match.group()
    if pattern is _PERCENT:
        _put_quantity(found, "percent", read_number(match.group(1)), written)
    elif pattern is _PART:
        whole, part = read_number(match.group(1)), read_number(match.group(2))
        if whole and part is not None:
            _put_quantity(found, "share", part / whole, written)
    else:
        kind, scale = _UNITS[match.group(2)]
        value = read_number(match.group(1))
        if value is not None and not (kind in _WORDLIKE and match.group(1) == "一"):
            _put_quantity(found, kind, value * scale, written)
    return "。"


def _put_quantity(found: Figures, kind: str, value: Fraction | None, written: str) -> None:
    if value is not None:
        found.quantities.setdefault((kind, value), written)


def _put(numbers: dict[Fraction, str], value: Fraction | None, written: str) -> None:
    if value is not None:
        numbers.setdefault(value, written)


def _written_values(source: Figures) -> set[Fraction]:
    """What stands before the unit: 3年 is known as 36 months, and as the number 3."""
    numbers = (re.match(_NUMBER, written) for written in source.quantities.values())
    return {value for match in numbers if match and (value := read_number(match.group())) is not None}


def _whole(text: str | None) -> int | None:
    value = None if text is None else read_number(text)
    return None if value is None else int(value)
