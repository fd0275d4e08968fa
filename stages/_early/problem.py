"""What an early look finds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(kw_only=True, slots=True, frozen=True)
class Problem:
    """One thing that would end a stage, or that could not be looked at."""

    message: str
    expected: str | None = None
    hint: str | None = None
    about: Literal["input", "server", "look"] = "input"
    """`input`: the stage would fail. `server`: it would, unless the server is mended before. `look`: nobody knows."""
    address: str | None = None
    """The address of an input at which nothing is; the plan may have told it already."""
