"""Cleaning of one text: what is mended, and what drops the document."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass

_SCRIPTS = re.compile(r"<(script|style)\b.*?</\1\s*>", re.IGNORECASE | re.DOTALL)
_TAGS = re.compile(r"</?[a-zA-Z][^<>]{0,500}>|<!--.*?-->", re.DOTALL)
_ENTITIES = re.compile(r"&(?:[a-zA-Z]{2,8}|#\d{1,6}|#x[0-9a-fA-F]{1,5});")
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]")
_SPACES = re.compile("[ \t\u00a0\u3000]+")
_LINES = re.compile(r" ?\n[ \n]*")
_BROKEN_CHARACTERS = re.compile("[\ufffd\ue000-\uf8ff]")
_HAN = re.compile("[\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
_LATIN = re.compile("[A-Za-z\u00c0-\u024f\u0400-\u04ff\u3040-\u30ff\uac00-\ud7af]")
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
    min_han_share: float
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
    broken = len(_BROKEN_CHARACTERS.findall(text))
    if broken > len(text) / 200:
        return Cleaned(text=text, reason="broken_characters", detail=f"{broken} characters")
    share = han_share(text)
    if share < rules.min_han_share:
        return Cleaned(text=text, reason="language", detail=f"{share:.2f} of the letters are Chinese")
    repeated = repeated_share(text)
    if repeated > rules.max_repeated_share:
        return Cleaned(text=text, reason="repetition", detail=f"{repeated:.2f} of it repeats")
    return Cleaned(text=text, reason=None)


def han_share(text: str) -> float:
    """Share of Han characters among the letters of a text (digits and punctuation do not count); 0 without letters."""
    han = len(_HAN.findall(text))
    return han / max(1, han + len(_LATIN.findall(text)))


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
    if "<" in text:
        text = _TAGS.sub("", _SCRIPTS.sub("", text))
    return html.unescape(text) if _ENTITIES.search(text) else text


def tidy(text: str) -> str:
    """Line ends, spaces, control characters and full-width digits and letters in one form."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\u2028", "\n").replace("\u2029", "\n")
    text = _SPACES.sub(" ", _CONTROL.sub("", text)).translate(_HALF_WIDTH)
    return _LINES.sub("\n", text).strip()
