"""The answer form of the models: `<think>` reasoning `</think>` answer."""

import re
from dataclasses import dataclass

OPEN, CLOSE = "<think>", "</think>"
_CARD_MARK = re.compile(r"\[final answer\]\s*[:：]?", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True, slots=True)
class Reply:
    """A reply taken apart; both parts are stripped and not empty."""

    think: str
    answer: str


def parse_think_form(text: str) -> Reply | None:
    """Read a reply in the `<think>` form; None when the form is broken.

    The form is whole only with one opening tag at the very start, one closing tag after it, and words in
    both parts: an unclosed or lone tag, a second pair, or an empty part is a broken form.
    """
    body = text.strip()
    if not body.startswith(OPEN) or body.count(OPEN) != 1 or body.count(CLOSE) != 1:
        return None
    think, _, answer = body[len(OPEN) :].partition(CLOSE)
    if not think.strip() or not answer.strip():
        return None
    return Reply(think=think.strip(), answer=answer.strip())


def parse_reply(text: str) -> Reply | None:
    """As `parse_think_form`, and the model card's form `reasoning [final answer] answer` as well."""
    reply = parse_think_form(text)
    if reply is not None or OPEN in text or CLOSE in text:
        return reply
    parts = _CARD_MARK.split(text)
    if len(parts) != 2 or not parts[0].strip() or not parts[1].strip():
        return None
    return Reply(think=parts[0].strip(), answer=parts[1].strip())
