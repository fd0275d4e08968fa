"""Templates of configs/lead: Jinja2; a name that is not there is an error, not an empty string."""

from __future__ import annotations

import functools
from typing import Any

from jinja2 import StrictUndefined, Template, TemplateError
from jinja2.sandbox import SandboxedEnvironment

from stages._worker.failures import UserError

_ENVIRONMENT = SandboxedEnvironment(undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)


def fill(template: str, **values: Any) -> str:
    """The template filled in and stripped; UserError names the template and what it lacks."""
    try:
        return _compile(template).render(**values).strip()
    except TemplateError as error:
        raise UserError(f"template {template.strip()[:60]!r} of configs/lead: {error}") from error


@functools.lru_cache(maxsize=256)
def _compile(template: str) -> Template:
    return _ENVIRONMENT.from_string(template)
