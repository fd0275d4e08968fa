"""Numbers as Chinese text writes them: 35,000, 3.5万, 三万五千, 二〇一六."""

from __future__ import annotations

import re
from fractions import Fraction

_DIGITS = {character: value for value, character in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2}
_SMALL = {"十": 10, "百": 100, "千": 1000}
_LARGE = {"万": 10**4, "亿": 10**8}

CHINESE = r"(?:[零〇一二三四五六七八九两十][零〇一二三四五六七八九两十百千万亿]*)"
ARABIC = r"(?:\d+(?:[,，]\d{3})+(?!\d)(?:\.\d+)?|\d+(?:\.\d+)?)"
_ARABIC_SCALED = re.compile(rf"({ARABIC})([百千万亿]*)")


def read_number(text: str) -> Fraction | None:
    """The value of one number, Arabic (with commas, a fraction, 百 to 亿 behind it) or Chinese; None for neither."""
    arabic = _ARABIC_SCALED.fullmatch(text)
    if arabic is None:
        return _chinese(text)
    value = Fraction(re.sub("[,，]", "", arabic.group(1)))
    for unit in arabic.group(2):
        value *= (_SMALL | _LARGE)[unit]
    return value


def _chinese(text: str) -> Fraction | None:
    if not text or any(character not in _DIGITS | _SMALL | _LARGE for character in text):
        return None
    if len(text) > 1 and all(character in _DIGITS for character in text):
        return Fraction(int("".join(str(_DIGITS[character]) for character in text)))
    whole, section, digit, unit = 0, 0, 0, 1
    for character in text:
        if character in _DIGITS:
            digit = _DIGITS[character]
            unit = 10 if character == "零" or character == "〇" else unit
        elif character in _SMALL:
            unit = _SMALL[character]
            section += (digit or 1) * unit
            digit = 0
        else:
            unit = _LARGE[character]
            if unit == _LARGE["亿"]:
                whole, section = (whole + section + digit) * unit, 0
            else:
                whole, section = whole + (section + digit) * unit, 0
            digit = 0
    # 三万五 is 35,000, 一百二 is 120; 三万零五 is 30,005.
    short = digit * unit // 10 if unit >= 100 else digit
    return Fraction(whole + section + short)
