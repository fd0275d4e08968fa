"""What lead-refine can be refused for early: a config of a wrong form, and a teacher that does not answer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from stages._early.problem import Problem
from stages._early.servers import look_at_endpoint
from stages._lead.config import complete_lead


def look(options: dict[str, Any]) -> Iterator[Problem]:
    """The problems of the config and of its teacher."""
    yield from look_at_endpoint(complete_lead(options["lead"]), "teacher")
