"""A synthetic config, complete."""

from __future__ import annotations

import re
from typing import Any

from stages._worker.config_form import complete_config
from stages._worker.failures import UserError

PRODUCTS = {"views": "multi-view", "styles": "rewrites"}
"""Keys of the config, and the source that their documents name."""


def complete_synthetic(given: dict[str, Any]) -> dict[str, Any]:
    """The synthetic config with every default; UserError for a wrong form, bounds or regular expression."""
    config = complete_config("synthetic", given)
    where = f"configs/synthetic, {config.get('name', 'no name')}"
    for product, name, template in templates_of(config):
        length = template["length"]
        if length["min"] >= length["max"]:
            raise UserError(
                f"{where}: {product}.{name}.length: expected min below max, saw {length['min']} and {length['max']}"
            )
        if template["matching"] is not None:
            _check_expression(f"{where}: {product}.{name}.matching", template["matching"])
    for form, expressions in config["forms"].items():
        for expression in expressions:
            _check_expression(f"{where}: forms.{form}", expression)
    return config


def templates_of(config: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    """(product, name, template) of every view and style, in the order of the file."""
    return [(product, name, each) for product in PRODUCTS for name, each in config[product].items()]


def _check_expression(where: str, expression: str) -> None:
    try:
        re.compile(expression)
    except re.error as error:
        raise UserError(f"{where}: {expression!r} is no regular expression: {error}") from error
