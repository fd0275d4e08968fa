"""A corpus config, complete."""

from __future__ import annotations

from typing import Any

from stages._worker.config_form import complete_config
from stages._worker.failures import UserError


def complete_corpus(given: dict[str, Any]) -> dict[str, Any]:
    """The corpus config with every default; UserError for a wrong form or a source named twice."""
    config = complete_config("corpora", given)
    checks = config["decontamination"]
    checks["evaluations"] = [complete_config("eval", suite) for suite in checks["evaluations"]]
    names = [source["name"] for source in config["sources"]]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UserError(f"corpus {config['name']}: sources named twice: {', '.join(twice)}")
    return config
