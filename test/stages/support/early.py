"""The early look in this process; test/cli/early.test.ts starts it as the control plane does."""

from __future__ import annotations

from typing import Any

from stages._early.__main__ import look_at
from stages._worker.options import resolve_options


def look_early(*stages: dict[str, Any]) -> list[dict[str, str]]:
    """The problems of stages {kind, with}."""
    return look_at(
        [
            {"name": stage["kind"], **stage, "with": resolve_options(stage["kind"], stage["with"])}
            for stage in stages
        ]
    )


def sentences(problems: list[dict[str, str]]) -> list[str]:
    """Message, expectation and hint of each, as the plan joins them."""
    return ["; ".join(filter(None, map(each.get, ("message", "expected", "hint")))) for each in problems]
