"""The variables of its environment that a worker may read for its job, and how their values are kept to it."""

from __future__ import annotations

import json
import os

LIST = "LEGALONE_VARIABLES"
"""Names that the agent gives to this job, divided by commas; unset for a worker that no agent started."""

_SHORTEST = 6
"""Shorter values are words of any text."""


def may_be_read(name: str) -> bool:
    """False for a variable that the agent keeps from the job, or has for itself, as PATH and HOME."""
    listed = os.environ.get(LIST)
    return listed is None or name in listed.split(",")


def hide_values(text: str) -> str:
    """`text`, with `${NAME}` where the value of a listed variable stands, as it is or inside JSON."""
    for name in filter(None, os.environ.get(LIST, "").split(",")):
        value = os.environ.get(name, "")
        if len(value) >= _SHORTEST:
            escaped = json.dumps(value, ensure_ascii=False)[1:-1]
            text = text.replace(value, f"${{{name}}}").replace(escaped, f"${{{name}}}")
    return text
