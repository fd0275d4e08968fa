"""What a reader yields: a row, or a line that could not be read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(kw_only=True, slots=True, frozen=True)
class Row:
    """One record of a source, with the place it was read from."""

    values: dict[str, Any]
    file: str
    line: int
    """Line or row number, from 1."""


@dataclass(kw_only=True, slots=True, frozen=True)
class BrokenRow:
    """A record set aside, with the reason and the start of what was seen."""

    file: str
    line: int
    reason: str
    excerpt: str
