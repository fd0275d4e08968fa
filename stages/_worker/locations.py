"""Where things are: the checkout, its stages, configs and data."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import unquote, urlparse

from stages._worker.failures import UserError

CHECKOUT = Path(__file__).resolve().parents[2]


def stage_folder(kind: str) -> Path:
    """Folder of a stage kind: its name, with `_` for `-`."""
    return CHECKOUT / "stages" / kind.replace("-", "_")


def data_folder() -> Path:
    """`LEGALONE_DATA`, or `.legalone/data` in the checkout."""
    return Path(os.environ.get("LEGALONE_DATA") or CHECKOUT / ".legalone" / "data").resolve()


def resolve_data(address: str) -> Path:
    """`data://a/b` -> a file of the data folder; another string is a path as it stands."""
    if address.startswith("data://"):
        return data_folder() / address.removeprefix("data://")
    return Path(address)


def folder_of(uri: str) -> Path:
    """`file:///a/b` or a plain path -> path. Other stores are brought to this machine by the agent first."""
    parsed = urlparse(uri)
    if parsed.scheme == "file":
        return Path(unquote(parsed.path))
    if parsed.scheme in ("", None):
        return Path(uri)
    raise UserError(f"cannot read {parsed.scheme}:// here: expected a file:// address, saw {uri}")
