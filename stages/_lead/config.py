"""A lead config, complete."""

from __future__ import annotations

from typing import Any

from stages._worker.config_form import complete_config
from stages._worker.failures import UserError


def complete_lead(given: dict[str, Any]) -> dict[str, Any]:
    """The lead config with every default; UserError for a wrong form or a pool named twice."""
    config = complete_config("lead", given)
    pools = [task["pool"]["name"] for task in config["tasks"].values() if task["pool"] is not None]
    if len(set(pools)) < len(pools):
        raise UserError(f"configs/lead, {config.get('name')}: two tasks have the pool {pools[0]}")
    return config
