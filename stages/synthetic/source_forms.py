"""What a legal document is: article of a law, facts of a case, judgment, or other text."""

from __future__ import annotations

import re
from typing import Any


class SourceForms:
    """Tells the form of documents by `forms` of configs/synthetic."""

    def __init__(self, forms: dict[str, list[str]]) -> None:
        self._judgment = [re.compile(each) for each in forms["judgment"]]
        self._facts = [re.compile(each) for each in forms["facts"]]

    def of(self, document: dict[str, Any]) -> str:
        """`statute`, `judgment`, `facts` or `text`."""
        meta = document.get("meta") or {}
        if meta.get("law") and meta.get("article"):
            return "statute"
        text = document["text"]
        if any(each.search(text) for each in self._judgment):
            return "judgment"
        if meta.get("facts") or any(each.search(text) for each in self._facts):
            return "facts"
        return "text"
