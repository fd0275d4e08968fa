"""What of a text counts when texts are compared."""

from __future__ import annotations

import re

_NOT_WORDS = re.compile(r"[\W_]+")


def words_of(text: str) -> str:
    """Letters, digits and ideographs of a text: no punctuation, no space."""
    return _NOT_WORDS.sub("", text)
