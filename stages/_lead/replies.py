"""Reading what a model answered: its answer without the reasoning, and JSON inside it."""

from __future__ import annotations

import json
from typing import Any

from jsonschema import Draft202012Validator


class BadReply(Exception):
    """A reply that cannot be used, with what was seen and expected."""


def answer_text(content: str) -> str:
    """The part after the last `</think>` of a reasoning model, stripped; BadReply when nothing is left."""
    text = content.rpartition("</think>")[2].strip()
    if not text:
        raise BadReply("the reply is empty")
    return text


def read_json(text: str, schema: dict[str, Any]) -> dict[str, Any]:
    """The last JSON object in a text that fits `schema`; words and code fences around it do not matter."""
    seen = None
    decoder = json.JSONDecoder()
    for start in (index for index in range(len(text) - 1, -1, -1) if text[index] == "{"):
        try:
            value, _ = decoder.raw_decode(text, start)
        except ValueError:
            continue
        error = next(Draft202012Validator(schema).iter_errors(value), None)
        if error is None:
            return value
        seen = error.message
    raise BadReply(f"expected a JSON object, saw {text[:80]!r}" if seen is None else seen)
