"""Checkpoints: a folder step-<n> that is whole or not there.

Written to a hidden folder, every file on disk, the manifest last, then renamed; only then is it announced.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from stages._worker.artifacts import MANIFEST, file_sha256, sync, verify, write_manifest
from stages._worker.failures import DataError
from stages._worker.job import ResumePoint
from stages._worker.jsonl import write_json
from stages._worker.model import device
from stages._worker.model.safetensors_file import TensorFile, write_tensors
from stages._worker.protocol import versions
from stages._worker.worker import Worker


@dataclass(kw_only=True, slots=True, frozen=True)
class Checkpoint:
    """What training needs to go on, read and checked."""

    step: int
    """Steps that are done."""
    cursor: dict[str, Any]
    """Position in the data, and whatever else the stage counts."""
    settings: dict[str, Any]
    """What must be the same to go on."""
    environment: dict[str, Any]
    """Versions and threads: bit-identity holds while they are the same."""
    tensors: dict[str, dict[str, np.ndarray]]
    """By file: `model`, `optimizer`."""


def environment() -> dict[str, Any]:
    """What the sums of a CPU depend on beside the inputs."""
    return {"versions": versions(), "device": device.target(), "threads": device.thread_count()}


def save_checkpoint(
    worker: Worker,
    *,
    step: int,
    cursor: dict[str, Any],
    settings: dict[str, Any],
    tensors: Mapping[str, Mapping[str, np.ndarray]],
    keep: int,
) -> Path:
    """Commits step-<n> under the folder of the attempt, announces it, and keeps the last `keep`."""
    root = worker.job.folder
    root.mkdir(parents=True, exist_ok=True)
    temporary, final = root / f".step-{step}.tmp", root / f"step-{step}"
    for leftover in (temporary, final):
        shutil.rmtree(leftover, ignore_errors=True)
    temporary.mkdir()
    try:
        for name, group in tensors.items():
            write_tensors(temporary / f"{name}.safetensors", dict(group))
        state = {"step": step, "cursor": cursor, "settings": settings, "environment": environment()}
        write_json(temporary / "state.json", state)
        content = write_manifest(temporary, kind="checkpoint", step=step)
    except OSError:
        # On a full disk the room goes back to those that can use it.
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    temporary.rename(final)
    sync(root)
    worker.checkpoint(
        final, step=step, sha256=file_sha256(final / MANIFEST), size=content.bytes, cursor=cursor
    )
    for old in _steps(root)[keep:]:
        shutil.rmtree(old)
    return final


def load_checkpoint(resume: ResumePoint, worker: Worker) -> Checkpoint:
    """The checkpoint to go on from; when it is damaged, the newest sound one beside it, with a warning.

    Another environment than the one it was written in is a warning too.
    """
    found = _newest_sound(resume, worker)
    if found.environment != environment():
        worker.warning(
            f"the checkpoint was written with {found.environment}, this is {environment()}: "
            "the run goes on, but its last bits may differ",
            code="environment_changed",
        )
    return found


def _newest_sound(resume: ResumePoint, worker: Worker) -> Checkpoint:
    try:
        return _read(resume.folder, expected=resume.sha256)
    except DataError as error:
        worker.warning(f"checkpoint {resume.folder.name} is damaged: {error}", code="checkpoint_damaged")
    for folder in _steps(resume.folder.parent):
        if folder.name == resume.folder.name or int(folder.name.removeprefix("step-")) > resume.step:
            continue
        try:
            found = _read(folder)
        except DataError as error:
            worker.warning(f"checkpoint {folder.name} is damaged too: {error}", code="checkpoint_damaged")
            continue
        worker.warning(f"going on from {folder.name} instead", code="checkpoint_fallback")
        return found
    raise DataError(
        f"no sound checkpoint in {resume.folder.parent}",
        hint="`legalone retry` starts the stage from its beginning",
    )


def _read(folder: Path, expected: str | None = None) -> Checkpoint:
    manifest = verify(folder)
    if expected is not None and file_sha256(folder / MANIFEST) != expected:
        raise DataError(f"{folder / MANIFEST}: not the manifest that was announced")
    try:
        state = json.loads((folder / "state.json").read_text(encoding="utf-8"))
        tensors = {
            Path(item["path"]).stem: _tensors(folder / item["path"])
            for item in manifest["files"]
            if item["path"].endswith(".safetensors")
        }
        return Checkpoint(tensors=tensors, **state)
    except (OSError, ValueError, TypeError) as error:
        raise DataError(f"{folder}: not a checkpoint: {error}") from error


def _tensors(path: Path) -> dict[str, np.ndarray]:
    file = TensorFile(path)
    tensors = {name: file.read(name) for name in file.names()}
    for name, values in tensors.items():
        if not np.isfinite(values).all():
            raise DataError(f"{path}: {name} holds a value that is no finite number")
    return tensors


def _steps(root: Path) -> list[Path]:
    """Checkpoint folders, newest first."""
    folders = [path for path in root.glob("step-*") if path.is_dir() and path.name[5:].isdigit()]
    return sorted(folders, key=lambda path: -int(path.name[5:]))
