"""Cutting Chinese text at its punctuation."""

from __future__ import annotations

import re

_MARKS = ("。！？", "；", "，：、")
_TRAILING = "，、：；"


def cut_at_punctuation(text: str, longest: int, shortest: int = 1) -> str | None:
    """The longest start of a text's first line, at most `longest` characters, that ends at a mark.

    A full stop is preferred over a semicolon, and that over a comma, as long as `shortest` characters remain.
    Trailing commas are taken off. None when there is no such place.
    """
    line = text.split("\n", 1)[0]
    if shortest <= len(line) <= longest:
        return line.rstrip(_TRAILING)
    for marks in _MARKS:
        for end in range(min(longest, len(line)), 0, -1):
            if line[end - 1] in marks:
                piece = line[:end].rstrip(_TRAILING)
                if len(piece) >= shortest:
                    return piece
                break
    return None


def clauses(text: str) -> list[str]:
    """Pieces of a text between punctuation marks, without the marks."""
    return [piece for piece in re.split(r"[，。；：！？、\n]+", text) if piece]
