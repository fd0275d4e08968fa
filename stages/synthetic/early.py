"""What synthetic can be refused for early: its bounds and expressions, and a teacher or judge that does not answer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from stages._early.problem import Problem
from stages._early.servers import look_at_endpoint
from stages.synthetic.config import complete_synthetic


def look(options: dict[str, Any]) -> Iterator[Problem]:
    """The problems of the config and of its servers."""
    config = complete_synthetic(options["synthetic"])
    yield from look_at_endpoint(config, "teacher")
    if config["quality"] is not None:
        yield from look_at_endpoint(config["quality"], "judge")
