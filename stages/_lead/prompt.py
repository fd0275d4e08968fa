"""A prompt of the pool: what every LEAD stage carries on."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(kw_only=True, slots=True)
class Prompt:
    """One question with the documents it was made from."""

    id: str
    task: str
    question: str
    reference: str
    documents: list[dict[str, str]]
    """{id, title, text} each."""
    route: str
    split: str
    """`train` or `heldout`."""
    scores: dict[str, int] = field(default_factory=dict)
    """completeness and complexity, 1 to 5."""
    pool: str | None = None
    """Name of the RL pool it belongs to."""
    meta: dict[str, Any] = field(default_factory=dict)

    def as_row(self) -> dict[str, Any]:
        """The prompt as a JSON object."""
        return asdict(self)
