"""The `with` of a stage: its JSON Schema stands in stage.yaml, with a default for every property."""

from __future__ import annotations

import copy
import functools
from typing import Any

from jsonschema import Draft202012Validator

from stages._worker.failures import UserError
from stages._worker.locations import CHECKOUT, stage_folder
from stages._worker.yaml_file import read_yaml


@functools.cache
def stage_definition(kind: str) -> dict[str, Any]:
    """The parsed stage.yaml of a kind."""
    path = stage_folder(kind) / "stage.yaml"
    if not path.is_file():
        raise UserError(f"no stage kind '{kind}': {path} does not exist")
    return read_yaml(path)


def resolve_options(kind: str, given: dict[str, Any]) -> dict[str, Any]:
    """`given` with defaults filled in and names of configs resolved, checked; all errors at once."""
    schema = stage_definition(kind)["with"]
    options = complete(schema, copy.deepcopy(given), schema)
    errors = sorted(Draft202012Validator(schema).iter_errors(options), key=lambda e: list(e.absolute_path))
    if errors:
        lines = [f"{'.'.join(['with', *map(str, e.absolute_path)])}: {e.message}" for e in errors]
        raise UserError(f"stage kind '{kind}' refuses its options: " + "; ".join(lines))
    return options


def complete(schema: dict[str, Any], value: Any, root: dict[str, Any]) -> Any:
    """`value` with the defaults of `schema` and names of configs replaced; `value` itself is changed.

    Looks through properties, additionalProperties, items and $defs of `root`: all that our schemas use.
    """
    if "$ref" in schema:
        schema = root["$defs"][schema["$ref"].rsplit("/", 1)[1]]
    if "x-config" in schema and isinstance(value, str):
        value = _load_config(schema["x-config"], value)
    if isinstance(value, list) and "items" in schema:
        return [complete(schema["items"], item, root) for item in value]
    if not isinstance(value, dict):
        return value
    properties = schema.get("properties", {})
    others = schema.get("additionalProperties")
    for name, inner in properties.items():
        if name not in value and "default" in inner:
            value[name] = copy.deepcopy(inner["default"])
    for name, below in value.items():
        inner = properties.get(name, others)
        if isinstance(inner, dict):
            value[name] = complete(inner, below, root)
    return value


def _load_config(folder: str, name: str) -> dict[str, Any]:
    path = CHECKOUT / "configs" / folder / f"{name}.yaml"
    if not path.is_file():
        raise UserError(f"no configs/{folder}/{name}.yaml")
    return {"name": name, **read_yaml(path)}
