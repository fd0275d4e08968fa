"""What kind of character each one of a text is: one look into a table for a whole text."""

from __future__ import annotations

import functools
import unicodedata

import numpy as np

SPACE, HAN, LATIN, KANA, HANGUL, CYRILLIC, OTHER, NUMBER, PUNCTUATION, SYMBOL, BROKEN = range(11)
KINDS = 11
SCRIPTS = slice(HAN, OTHER + 1)

# What `tidy` mends.
CONTROL, WIDE_SPACE, WIDE_LETTER, LINE_END = 1, 2, 4, 8

# Beyond the third plane stand no letters.
_SIZE = 0x40000
_RANGES = (
    (0x3400, 0xA000, HAN),
    (0xF900, 0xFB00, HAN),
    (0x20000, _SIZE, HAN),
    (0xE000, 0xF900, BROKEN),
    (0xFFFD, 0xFFFE, BROKEN),
)
_CONTROLS = (
    (0x00, 0x09),
    (0x0B, 0x20),
    (0x7F, 0xA0),
    (0xAD, 0xAE),
    (0x200B, 0x2010),
    (0x202A, 0x202F),
    (0x2060, 0x2065),
    (0xFEFF, 0xFF00),
)


def codes_of(text: str) -> np.ndarray:
    """Code points of a text, uint32, at most the last one of the tables."""
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    return np.minimum(codes, np.uint32(_SIZE - 1))


def kinds_of(text: str) -> np.ndarray:
    """The kind of every character of a text, uint8."""
    return _kinds()[codes_of(text)]


def to_mend(text: str) -> int:
    """Which of CONTROL, WIDE_SPACE, WIDE_LETTER and LINE_END a text holds, as bits."""
    return int(np.bitwise_or.reduce(_mendings()[codes_of(text)], initial=0))


@functools.cache
def _kinds() -> np.ndarray:
    table = np.full(_SIZE, OTHER, dtype=np.uint8)
    for code in range(0x20000):
        table[code] = _kind(chr(code), code)
    for first, end, kind in _RANGES:
        table[first:end] = kind
    table[_SIZE - 1] = SYMBOL
    return table


def _kind(character: str, code: int) -> int:
    category = unicodedata.category(character)
    if category[0] == "L":
        if code < 0x250 or 0x1E00 <= code < 0x1F00:
            return LATIN
        if 0x3040 <= code < 0x3100:
            return KANA
        if 0x1100 <= code < 0x1200 or 0x3130 <= code < 0x3190 or 0xAC00 <= code < 0xD7B0:
            return HANGUL
        return CYRILLIC if 0x400 <= code < 0x530 else OTHER
    return {"N": NUMBER, "P": PUNCTUATION, "S": SYMBOL, "M": PUNCTUATION}.get(category[0], SPACE)


@functools.cache
def _mendings() -> np.ndarray:
    table = np.zeros(_SIZE, dtype=np.uint8)
    for first, end in _CONTROLS:
        table[first:end] = CONTROL
    table[[0x09, 0xA0, 0x3000]] = WIDE_SPACE
    for first, last in ("０９", "ＡＺ", "ａｚ"):
        table[ord(first) : ord(last) + 1] = WIDE_LETTER
    # A carriage return is both: an end of line, and no character of its own.
    table[[0x0D, 0x2028, 0x2029]] = LINE_END
    return table
