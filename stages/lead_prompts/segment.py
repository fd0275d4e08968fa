"""Segmentation of a legal document into facts, reasoning and decision, by the words that open them."""

from __future__ import annotations

import re
from typing import Any

PARTS = ("facts", "reasoning", "decision")


def segment(document: dict[str, Any], openings: dict[str, list[str]]) -> dict[str, str]:
    """Parts of a document that could be told apart: the text after the first opening of each, up to the next part.

    `openings` are regular expressions per part. Parts that the corpus already knows (meta.facts and so on) are
    taken as they are. What no rule opens is left out.
    """
    meta = document.get("meta") or {}
    known = {part: meta[part] for part in PARTS if isinstance(meta.get(part), str) and meta[part].strip()}
    text = document["text"]
    starts: list[tuple[int, int, str]] = []
    for part in PARTS:
        after = starts[-1][1] if starts else 0
        match = _first(openings.get(part, []), text, after)
        if match is not None:
            starts.append((match.start(), match.end(), part))
    found = {}
    for index, (start, _, part) in enumerate(starts):
        end = starts[index + 1][0] if index + 1 < len(starts) else len(text)
        if text[start:end].strip():
            found[part] = text[start:end].strip()
    return {**found, **known}


def _first(patterns: list[str], text: str, after: int) -> re.Match[str] | None:
    matches = [match for pattern in patterns if (match := re.compile(pattern).search(text, after))]
    return min(matches, key=lambda match: match.start(), default=None)
