"""Cleaning of one text: what is mended, and what drops the document."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass

import numpy as np

from stages.corpus.rules.characters import (
    BROKEN,
    CONTROL,
    HAN,
    KANA,
    KINDS,
    LINE_END,
    NUMBER,
    SCRIPTS,
    SPACE,
    SYMBOL,
    WIDE_LETTER,
    WIDE_SPACE,
    kinds_of,
    to_mend,
)

_SCRIPTS = re.compile(r"<(script|style)\b.*?</\1\s*>", re.IGNORECASE | re.DOTALL)
_TAGS = re.compile(r"</?[a-zA-Z][^<>]{0,500}>|<!--.*?-->", re.DOTALL)
_ENTITIES = re.compile(r"&(?:[a-zA-Z]{2,8}|#\d{1,6}|#x[0-9a-fA-F]{1,5});")
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]")
_SPACES = re.compile("[ \t\u00a0\u3000]+")
_LINES = re.compile(r" ?\n[ \n]*")
_SENTENCES = re.compile(r"[^。！？!?；;\n]+")

# Full-width digits and Latin letters as ASCII; punctuation stays full-width, as Chinese text has it.
_HALF_WIDTH = {
    code: code - 0xFEE0
    for first, last in ("０９", "ＡＺ", "ａｚ")
    for code in range(ord(first), ord(last) + 1)
}


@dataclass(kw_only=True, slots=True, frozen=True)
class CleaningRules:
    """Limits of the heuristic filter; shares are of characters, 0 to 1."""

    min_characters: int
    max_characters: int
    max_markup_share: float
    max_nontext_share: float
    min_han_share: float
    max_mixed_share: float
    max_repeated_share: float


@dataclass(kw_only=True, slots=True, frozen=True)
class Cleaned:
    """The mended text, and why it is dropped (None: it stays) with the figure that was seen."""

    text: str
    reason: str | None
    detail: str = ""


def clean(raw: str, rules: CleaningRules) -> Cleaned:
    """Takes off markup, control characters and surplus space, then judges what is left."""
    unmarked = _without_markup(raw)
    markup_share = 1 - len(unmarked) / max(1, len(raw))
    text = tidy(unmarked)
    for reason, holds, detail in (
        ("html", markup_share > rules.max_markup_share, f"{markup_share:.2f} of it is markup"),
        ("too_short", len(text) < rules.min_characters, f"{len(text)} characters"),
        ("too_long", len(text) > rules.max_characters, f"{len(text)} characters"),
    ):
        if holds:
            return Cleaned(text=text, reason=reason, detail=detail)
    return _judge(text, rules)


def _judge(text: str, rules: CleaningRules) -> Cleaned:
    kinds = kinds_of(text)
    counts = np.bincount(kinds, minlength=KINDS)
    broken = int(counts[BROKEN])
    if broken > len(text) / 200:
        return Cleaned(text=text, reason="broken_characters", detail=f"{broken} characters")
    nontext = float(counts[NUMBER] + counts[SYMBOL]) / max(1, len(text) - int(counts[SPACE]))
    if nontext > rules.max_nontext_share:
        return Cleaned(text=text, reason="non_text", detail=f"{nontext:.2f} of it are digits and symbols")
    share = _han_share(counts)
    if share < rules.min_han_share:
        return Cleaned(text=text, reason="language", detail=f"{share:.2f} of the letters are Chinese")
    mixed = _mixed_share(text, kinds, counts) if rules.max_mixed_share < 1 else 0
    if mixed > rules.max_mixed_share:
        detail = f"{mixed:.2f} of the letters stand in lines of another script"
        return Cleaned(text=text, reason="mixed_languages", detail=detail)
    repeated = repeated_share(text)
    if repeated > rules.max_repeated_share:
        return Cleaned(text=text, reason="repetition", detail=f"{repeated:.2f} of it repeats")
    return Cleaned(text=text, reason=None)


def han_share(text: str) -> float:
    """Share of Han characters among the letters of a text (digits and punctuation do not count); 0 without letters."""
    return _han_share(np.bincount(kinds_of(text), minlength=KINDS))


def _han_share(counts: np.ndarray) -> float:
    return float(counts[HAN]) / max(1, int(counts[SCRIPTS].sum()))


def mixed_share(text: str) -> float:
    """Share of a text's letters that stand in lines of another script than most of its letters do.

    The script of a line is that of most of its letters; a line with kana is Japanese, Han characters and all.
    """
    kinds = kinds_of(text)
    return _mixed_share(text, kinds, np.bincount(kinds, minlength=KINDS))


def _mixed_share(text: str, kinds: np.ndarray, counts: np.ndarray) -> float:
    scripts = counts[SCRIPTS]
    if np.count_nonzero(scripts) < 2 or "\n" not in text:
        return 0.0
    ends = np.flatnonzero(np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32) == 10)
    starts = np.concatenate(([0], ends + 1))
    by_line = np.stack(
        [
            np.add.reduceat(np.append(kinds == kind, False), starts, dtype=np.int64)
            for kind in range(SCRIPTS.start, SCRIPTS.stop)
        ]
    )
    letters = by_line.sum(axis=0)
    kana = KANA - HAN
    by_line[kana, by_line[kana] > 0.1 * letters] = letters[by_line[kana] > 0.1 * letters]
    held = np.bincount(by_line.argmax(axis=0), weights=letters)
    return 1 - float(held.max() / max(1, letters.sum()))


def repeated_share(text: str) -> float:
    """Share of a text's characters that stand in sentences (6 characters or more) already seen in it."""
    seen: set[str] = set()
    repeated = total = 0
    for sentence in _SENTENCES.findall(text):
        total += len(sentence)
        if len(sentence) >= 6 and sentence in seen:
            repeated += len(sentence)
        seen.add(sentence)
    return repeated / max(1, total)


def _without_markup(text: str) -> str:
    # Markup that was escaped as text comes to light by the first round, and goes by the second.
    for _ in range(2):
        if "<" in text:
            text = _TAGS.sub("", _SCRIPTS.sub("", text))
        if "&" not in text or not _ENTITIES.search(text):
            break
        text = html.unescape(text)
    return text


def tidy(text: str) -> str:
    """Line ends, spaces, control characters and full-width digits and letters in one form."""
    mend = to_mend(text)
    if mend & LINE_END:
        text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\u2028", "\n").replace("\u2029", "\n")
    if mend & CONTROL:
        text = _CONTROL.sub("", text)
    if mend & WIDE_SPACE or "  " in text:
        text = _SPACES.sub(" ", text)
    if mend & WIDE_LETTER:
        text = text.translate(_HALF_WIDTH)
    return _LINES.sub("\n", text).strip() if "\n" in text else text.strip()
