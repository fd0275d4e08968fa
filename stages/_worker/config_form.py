"""The form of configs/<folder>/*.yaml: checked against its schema.json, defaults filled in."""

from __future__ import annotations

import copy
import json
from typing import Any

from jsonschema import Draft202012Validator

from stages._worker.failures import UserError
from stages._worker.locations import CHECKOUT


def complete_config(folder: str, given: dict[str, Any]) -> dict[str, Any]:
    """A config of configs/<folder> with every default of its schema; all violations at once as a UserError."""
    path = CHECKOUT / "configs" / folder / "schema.json"
    schema = json.loads(path.read_text(encoding="utf-8"))
    config = _fill(schema, schema, copy.deepcopy(given))
    errors = sorted(Draft202012Validator(schema).iter_errors(config), key=lambda e: list(e.absolute_path))
    if errors:
        lines = [
            f"{'.'.join(map(str, error.absolute_path)) or 'top level'}: {error.message}" for error in errors
        ]
        raise UserError(f"configs/{folder}, {given.get('name', 'no name')}: " + "; ".join(lines))
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
    others = schema.get("additionalProperties")
    if isinstance(others, dict):
        for name in value.keys() - schema.get("properties", {}).keys():
            value[name] = _fill(root, _deref(root, others), value[name])
    return value


def _deref(root: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    return root["$defs"][schema["$ref"].rsplit("/", 1)[1]] if "$ref" in schema else schema
