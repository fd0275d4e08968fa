"""YAML files as the control plane reads them: numbers by the rules of YAML 1.2."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from stages._worker.failures import UserError


class _Loader(yaml.SafeLoader):
    """PyYAML follows YAML 1.1, where 1e9 and 1.0e9 are texts."""


_Loader.yaml_implicit_resolvers = {
    first: list(resolvers) for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)$"), list("-+.0123456789")
)


def read_yaml(path: Path) -> Any:
    """The value of a YAML file; UserError where there is none."""
    try:
        # The loader is a SafeLoader with one more number form.
        return yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)
    except (OSError, yaml.YAMLError) as error:
        raise UserError(f"{path}: cannot be read as YAML: {error}") from error
