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
    """`data://a/b` -> a file of the data folder; another string is a path, relative ones to the checkout.

    Raises UserError for what no job may read: beside the data folder with `..`, and the places of refuse_private().
    """
    if not address.startswith("data://"):
        return refuse_private(CHECKOUT / address, address)
    path = data_folder() / address.removeprefix("data://")
    if not Path(os.path.normpath(path)).is_relative_to(data_folder()):
        raise UserError(f"{address} leads out of the data folder")
    return refuse_private(path, address)


def refuse_private(path: Path, address: str) -> Path:
    """`path`, unless it or what its links lead to holds secrets that are no data.

    These are the workspace but for its committed artifacts, data and models (notes with a token, other attempts), a
    folder that holds it, and what the kernel tells of processes and devices. `address` is what the message calls it by.
    src/core/places.ts does the same for inputs.
    """
    real = Path(os.path.realpath(path))
    home = os.environ.get("LEGALONE_HOME")
    if any(real.is_relative_to(kernel) for kernel in ("/proc", "/sys", "/dev")):
        raise UserError(f"{address} is no data: it lies below /proc, /sys or /dev")
    if home and Path(os.path.realpath(home)).is_relative_to(real):
        raise UserError(
            f"{address} is no data: the workspace lies in it, which holds secrets of the control plane"
        )
    if home and real.is_relative_to(os.path.realpath(home)):
        shared = [*(os.path.join(home, name) for name in ("artifacts", "data", "models")), data_folder()]
        if not any(real.is_relative_to(os.path.realpath(folder)) for folder in shared):
            raise UserError(f"{address} lies in the workspace, which holds secrets of the control plane")
    return path


def folder_of(uri: str) -> Path:
    """`file:///a/b` or a plain path -> path. Other stores are brought to this machine by the agent first."""
    parsed = urlparse(uri)
    if parsed.scheme == "file":
        return Path(unquote(parsed.path))
    if parsed.scheme in ("", None):
        return Path(uri)
    raise UserError(f"cannot read {parsed.scheme}:// here: expected a file:// address, saw {uri}")
