"""From the `path` of a source to the files of this machine."""

from __future__ import annotations

import glob
import os
import re
from dataclasses import dataclass
from pathlib import Path

from stages._worker.failures import DataError, UserError
from stages._worker.locations import refuse_private, resolve_data
from stages._worker.variables import may_be_read

_VARIABLE = re.compile(r"\$\{([A-Z][A-Z0-9_]*)\}(?=/|$)")


@dataclass(kw_only=True, slots=True, frozen=True)
class SourceFile:
    """A file to read, and the name reports call it by: the same on every machine."""

    path: Path
    name: str


def locate(source: str, addresses: str | list[str]) -> list[SourceFile]:
    """Files of a source, in sorted order for a glob.

    An address is `data://…`, an absolute path, a path relative to the checkout, or `${NAME}/…`, below the folder that
    a variable names; `*`, `**`, `?` match file names. Raises UserError for a variable that names none and DataError
    when nothing is there. Messages and names hold the address as it is written, never what a variable stands for.
    """
    found: list[SourceFile] = []
    for address in [addresses] if isinstance(addresses, str) else addresses:
        found += _expand(source, address)
    return found


def _expand(source: str, address: str) -> list[SourceFile]:
    head = _VARIABLE.match(address)
    if "${" in address[head.end() if head else 0 :]:
        raise UserError(
            f"source {source}: a variable stands for a folder at the beginning of an address: {address}",
            hint="write ${NAME}/path below that folder",
        )
    path = resolve_data(_folder(source, head.group(1)) + address[head.end() :] if head else address)
    if not glob.has_magic(str(path)):
        if not path.is_file():
            hint = "`npm run setup` fetches the demo data" if address.startswith("data://") else None
            raise DataError(f"source {source}: no file {_shown(path, address)}", hint=hint)
        return [SourceFile(path=path, name=address)]
    matches = [Path(item) for item in sorted(glob.glob(str(path), recursive=True)) if Path(item).is_file()]
    for match in matches:
        refuse_private(match, address)
    if not matches:
        raise DataError(f"source {source}: no file matches {_shown(path, address)}")
    # What follows the first part with a wildcard, so that the name does not tell where the folder lies.
    depth = next(index for index, part in enumerate(path.parts) if glob.has_magic(part))
    parts = address.split("/")
    kept = parts[: next(index for index, part in enumerate(parts) if glob.has_magic(part))]
    return [SourceFile(path=item, name="/".join([*kept, *item.parts[depth:]])) for item in matches]


def _shown(path: Path, address: str) -> str:
    return address if "${" in address else f"{path} ({address})"


def _folder(source: str, name: str) -> str:
    if not may_be_read(name):
        raise UserError(
            f"source {source}: a job may not name the variable {name}",
            hint="`variables` of the cluster's file lists those that jobs may name",
        )
    value = os.environ.get(name)
    if not value:
        raise UserError(
            f"source {source}: the environment variable {name} is not set",
            hint=f"set {name} to the folder of the corpus for the agent of this node",
        )
    if not Path(value).is_absolute():
        raise UserError(f"source {source}: the variable {name} holds no absolute path of a folder")
    return value.rstrip("/")
