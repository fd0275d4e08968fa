"""Three routes to a question: structure of the document, the view of a user, likeness to real queries."""

from __future__ import annotations

from typing import Any

from stages._lead.templates import fill
from stages._worker.chance import draw


def choose_route(routes: dict[str, dict[str, Any]], seed: int, name: str) -> str:
    """The route of a prompt: by share, as a function of seed and name."""
    total = sum(route["share"] for route in routes.values())
    left = draw(seed, "route", name) * total
    for route, rule in routes.items():
        left -= rule["share"]
        if left < 0:
            return route
    return next(iter(routes))


def word_question(rule: dict[str, Any], **values: Any) -> tuple[str, str | None]:
    """(question, None) from a template, or ("", instruction) when the teacher words it."""
    if "question" in rule:
        return fill(rule["question"], **values), None
    return "", fill(rule["ask"], **values)
