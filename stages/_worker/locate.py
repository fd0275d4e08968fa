"""From the `path` of a source to the files of this machine."""

from __future__ import annotations

import glob
import os
import re
from dataclasses import dataclass
from pathlib import Path

from stages._worker.failures import DataError, UserError
from stages._worker.locations import CHECKOUT, resolve_data

_VARIABLE = re.compile(r"\$\{([A-Z][A-Z0-9_]*)\}")


@dataclass(kw_only=True, slots=True, frozen=True)
class SourceFile:
    """A file to read, and the name reports call it by: the same on every machine."""

    path: Path
    name: str


def locate(source: str, addresses: str | list[str]) -> list[SourceFile]:
    """Files of a source, in sorted order for a glob.

    An address is `data://…`, an absolute path, or a path relative to the checkout; `${NAME}` is taken from the
    environment and `*`, `**`, `?` match file names. Raises UserError for an unset variable and DataError when
    nothing is there.
    """
    found: list[SourceFile] = []
    for address in [addresses] if isinstance(addresses, str) else addresses:
        found += _expand(source, address)
    return found


def _expand(source: str, address: str) -> list[SourceFile]:
    filled = _VARIABLE.sub(lambda match: _environment(source, match.group(1)), address)
    path = resolve_data(filled)
    path = path if path.is_absolute() else CHECKOUT / path
    if not glob.has_magic(str(path)):
        if not path.is_file():
            hint = "`npm run setup` fetches the demo data" if address.startswith("data://") else None
            raise DataError(f"source {source}: no file {path} ({address})", hint=hint)
        return [SourceFile(path=path, name=address)]
    matches = [Path(item) for item in sorted(glob.glob(str(path), recursive=True)) if Path(item).is_file()]
    if not matches:
        raise DataError(f"source {source}: no file matches {path} ({address})")
    # What follows the first part with a wildcard, so that the name does not tell where the folder lies.
    depth = next(index for index, part in enumerate(path.parts) if glob.has_magic(part))
    parts = address.split("/")
    kept = parts[: next(index for index, part in enumerate(parts) if glob.has_magic(part))]
    return [SourceFile(path=item, name="/".join([*kept, *item.parts[depth:]])) for item in matches]


def _environment(source: str, name: str) -> str:
    value = os.environ.get(name)
    if not value:
        raise UserError(
            f"source {source}: the environment variable {name} is not set",
            hint=f"set {name} to the folder of the corpus for the agent of this node",
        )
    return value
