"""Checkpoints: a folder step-<n> that is whole or not there.

Written to a hidden folder, every file on disk, the manifest last, then renamed; only then is it announced.
What is committed is finite, and what does not fit the disk is not begun.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from stages._worker.artifacts import MANIFEST, file_sha256, sync, write_manifest
from stages._worker.failures import NumericError, WorkerFailure
from stages._worker.jsonl import write_json
from stages._worker.model import device
from stages._worker.model.safetensors_file import write_tensors
from stages._worker.protocol import versions
from stages._worker.training.pruning import remove_stale
from stages._worker.training.ranks.place import this_rank
from stages._worker.training.room import bytes_of, require_room
from stages._worker.worker import Worker

NATIVE = "native"
"""Form of a checkpoint whose tensors are those of the native trainers: `model` and `optimizer`, whole."""


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
    """Versions, threads and devices: bit-identity holds while they are the same."""
    tensors: dict[str, dict[str, np.ndarray]]
    """By file: `model`, `optimizer`. Empty in any other form than the native one."""
    extra: Any = None
    """Facts of the stage that are too long for the cursor."""
    form: str = NATIVE
    """Whose files it holds."""
    folder: Path | None = None
    """Where it was read from."""


def environment(resources: dict[str, Any]) -> dict[str, Any]:
    """What the sums depend on beside the inputs. `resources` of the job: the ranks that share a global batch."""
    _, ranks = this_rank()
    return {
        "versions": versions(),
        "device": device.target(),
        "threads": device.thread_count(),
        "ranks": ranks if ranks > 1 else max(1, resources.get("nodes", 1)) * max(1, resources.get("npus", 0)),
    }


def save_checkpoint(
    worker: Worker,
    *,
    step: int,
    cursor: dict[str, Any],
    settings: dict[str, Any],
    tensors: Mapping[str, Mapping[str, np.ndarray]],
    extra: Any = None,
) -> Path:
    """Commits step-<n> under the folder of the attempt, announces it, and removes those that are not kept.

    Raises NumericError for values that are not finite and DiskFull where the room is missing; both before the
    first byte is written. A disk that fills up in the middle leaves nothing of this step and all that was before.
    """
    refuse_non_finite(tensors, where=f"what step {step} would save")

    def write(folder: Path) -> None:
        for name, group in tensors.items():
            write_tensors(folder / f"{name}.safetensors", dict(group))

    return commit_checkpoint(
        worker,
        step=step,
        cursor=cursor,
        settings=settings,
        write=write,
        room=bytes_of(tensors),
        extra=extra,
    )


def commit_checkpoint(
    worker: Worker,
    *,
    step: int,
    cursor: dict[str, Any],
    settings: dict[str, Any],
    write: Callable[[Path], None],
    room: int,
    extra: Any = None,
    form: str = NATIVE,
) -> Path:
    """Commits step-<n> with the files that `write` puts into the folder it is given, at most `room` bytes of them.

    The rest is as in `save_checkpoint`. What `write` raises leaves nothing of this step.
    """
    job = worker.job
    root = job.folder
    root.mkdir(parents=True, exist_ok=True)
    temporary, final = root / f".step-{step}.tmp", root / f"step-{step}"
    for leftover in (temporary, final):
        shutil.rmtree(leftover, ignore_errors=True)
    require_room(root, room, what=f"the checkpoint of step {step}")
    temporary.mkdir()
    try:
        write(temporary)
        state = {
            "step": step,
            "cursor": cursor,
            "settings": settings,
            "environment": environment(job.resources),
            "extra": extra,
            **({} if form == NATIVE else {"form": form}),
        }
        write_json(temporary / "state.json", state)
        content = write_manifest(temporary, kind="checkpoint", step=step)
        temporary.rename(final)
    except (OSError, WorkerFailure):
        # On a full disk the room goes back to those that can use it.
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    sync(root)
    worker.checkpoint(
        final, step=step, sha256=file_sha256(final / MANIFEST), size=content.bytes, cursor=cursor
    )
    remove_stale(root, steps_in(root), keep=job.checkpoint_keep, keep_every=job.checkpoint_keep_every)
    return final


def refuse_non_finite(tensors: Mapping[str, Mapping[str, np.ndarray]], *, where: str) -> None:
    """Raises NumericError that names the first tensor with a value that is no finite number."""
    for group in tensors.values():
        name = first_non_finite(group)
        if name is not None:
            raise NumericError(
                f"{where}: {name} holds a value that is no finite number",
                hint="the last committed checkpoint is sound; lower the learning rate",
            )


def first_non_finite(tensors: Mapping[str, np.ndarray]) -> str | None:
    """Name of the first tensor with a value that is no finite number."""
    return next((name for name, values in tensors.items() if not np.isfinite(values).all()), None)


def steps_in(root: Path) -> list[int]:
    """Steps whose checkpoint folders are in `root`, newest first."""
    names = [path.name for path in root.glob("step-*") if path.is_dir() and not path.is_symlink()]
    return sorted((int(name[5:]) for name in names if name[5:].isdigit()), reverse=True)
