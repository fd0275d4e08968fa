"""The form of configs/corpora/*.yaml: checked against schema.json, defaults filled in."""

from __future__ import annotations

import copy
import json
from typing import Any

from jsonschema import Draft202012Validator

from stages._worker.failures import UserError
from stages._worker.locations import CHECKOUT

SCHEMA = CHECKOUT / "configs" / "corpora" / "schema.json"


def complete_corpus(given: dict[str, Any]) -> dict[str, Any]:
    """The corpus config with every default; all violations at once as a UserError."""
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    errors = sorted(Draft202012Validator(schema).iter_errors(given), key=lambda e: list(e.absolute_path))
    if errors:
        lines = [
            f"{'.'.join(map(str, error.absolute_path)) or 'corpus'}: {error.message}" for error in errors
        ]
        raise UserError(f"corpus {given.get('name', '?')}: " + "; ".join(lines))
    config = _fill(schema, schema, copy.deepcopy(given))
    names = [source["name"] for source in config["sources"]]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UserError(f"corpus {config['name']}: sources named twice: {', '.join(twice)}")
    return config


def _fill(root: dict[str, Any], schema: dict[str, Any], value: Any) -> Any:
    if isinstance(value, list) and "items" in schema:
        return [_fill(root, _deref(root, schema["items"]), item) for item in value]
    if not isinstance(value, dict):
        return value
    for name, inner in schema.get("properties", {}).items():
        inner = _deref(root, inner)
        if name not in value and "default" in inner:
            value[name] = copy.deepcopy(inner["default"])
        if name in value:
            value[name] = _fill(root, inner, value[name])
    return value


def _deref(root: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    return root["$defs"][schema["$ref"].rsplit("/", 1)[1]] if "$ref" in schema else schema
