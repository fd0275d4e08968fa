"""The form of configs/<folder>/*.yaml: checked against its schema.json, defaults filled in."""

from __future__ import annotations

import copy
import json
from typing import Any

from jsonschema import Draft202012Validator

from stages._worker.failures import UserError
from stages._worker.locations import CHECKOUT
from stages._worker.options import complete


def complete_config(folder: str, given: dict[str, Any]) -> dict[str, Any]:
    """A config of configs/<folder> with every default of its schema; all violations at once as a UserError."""
    path = CHECKOUT / "configs" / folder / "schema.json"
    schema = json.loads(path.read_text(encoding="utf-8"))
    config = complete(schema, copy.deepcopy(given), schema)
    errors = sorted(Draft202012Validator(schema).iter_errors(config), key=lambda e: list(e.absolute_path))
    if errors:
        lines = [
            f"{'.'.join(map(str, error.absolute_path)) or 'top level'}: {error.message}" for error in errors
        ]
        raise UserError(f"configs/{folder}, {given.get('name', 'no name')}: " + "; ".join(lines))
    return config
