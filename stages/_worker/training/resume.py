"""Reading the checkpoint a job goes on from. Every one is checked before use; a broken one gives way to an older."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from stages._worker.artifacts import MANIFEST, file_sha256, verify
from stages._worker.failures import DataError, ResumeRefused
from stages._worker.job import ResumePoint
from stages._worker.model.safetensors_file import TensorFile
from stages._worker.training.checkpoint import NATIVE, Checkpoint, environment, first_non_finite, steps_in
from stages._worker.worker import Worker


def load_checkpoint(resume: ResumePoint, worker: Worker) -> Checkpoint:
    """The checkpoint to go on from, or the newest sound one before it: sizes, hashes and values are checked.

    Every one that is passed over is a warning that names it, and so is another environment. Raises DataError where
    none is sound: steps that were committed are not given up without a person knowing.
    """
    found = newest_sound(resume, worker)
    tell_of_another_environment(worker, found)
    return found


def tell_of_another_environment(worker: Worker, found: Checkpoint) -> None:
    """A warning for each: another number of ranks, other versions, threads or devices."""
    here = environment(worker.job.resources)
    ranks = found.environment.get("ranks", 1)
    if ranks != here["ranks"]:
        worker.warning(
            f"the checkpoint of step {found.step} was written by {ranks} ranks, now there are {here['ranks']}: "
            "the global batch is the same, so no sample is lost or repeated, but the last bits may differ",
            code="ranks_changed",
        )
    if {**found.environment, "ranks": 0} != {**here, "ranks": 0}:
        worker.warning(
            f"the checkpoint was written with {found.environment}, this is {here}: "
            "the run goes on, but its last bits may differ",
            code="environment_changed",
        )


def newest_sound(resume: ResumePoint, worker: Worker, *, form: str = NATIVE) -> Checkpoint:
    """As `load_checkpoint`, for a trainer that goes on from another form, and whatever the environment.

    Raises ResumeRefused for a sound checkpoint in another form than `form`.
    """
    seen = []
    for point in _candidates(resume):
        seen.append(str(point.folder))
        if not point.folder.is_dir():
            # That may be this machine's fault, so it says nothing about the checkpoint.
            worker.warning(f"there is no folder {point.folder} here", code="checkpoint_missing")
            continue
        try:
            found = _read(point, form)
        except DataError as error:
            worker.warning(
                f"the checkpoint of step {point.step} is damaged: {error}",
                code="checkpoint_damaged",
                checkpoint=point.sha256,
            )
            continue
        except OSError as error:
            worker.warning(f"cannot read {point.folder}: {error}", code="checkpoint_unreadable")
            continue
        if point is not resume:
            worker.warning(
                f"going on from step {found.step} ({point.folder}) in place of step {resume.step}: "
                f"{resume.step - found.step} committed steps are trained again",
                code="checkpoint_fallback",
            )
        return found
    raise DataError(
        f"no sound checkpoint; looked at {', '.join(seen)}",
        hint="bring one back, then `legalone resume`; without any that goes on from the beginning of the stage",
    )


def _candidates(resume: ResumePoint) -> Iterator[ResumePoint]:
    """The one that was asked for, then what the records name; a job without records looks beside it."""
    yield resume
    if resume.older is not None:
        yield from resume.older
        return
    root = resume.folder.parent
    for step in steps_in(root):
        if step < resume.step:
            yield ResumePoint(folder=root / f"step-{step}", step=step, sha256=None)


def _read(point: ResumePoint, form: str) -> Checkpoint:
    folder = point.folder
    with contextlib.suppress(FileNotFoundError):
        (folder / MANIFEST).read_bytes()  # a disk that cannot be read is no damage: its OSError gets out here
    manifest = verify(folder)
    if point.sha256 is not None and file_sha256(folder / MANIFEST) != point.sha256:
        raise DataError(f"{folder / MANIFEST}: not the manifest that was announced")
    try:
        state = json.loads((folder / "state.json").read_text(encoding="utf-8"))
        _refuse_another_form(state.get("form", NATIVE), form, step=point.step)
        tensors = {
            Path(item["path"]).stem: _tensors(folder / item["path"])
            for item in manifest["files"]
            if form == NATIVE and item["path"].endswith(".safetensors")
        }
        return Checkpoint(tensors=tensors, folder=folder, **state)
    except (AttributeError, ValueError, TypeError) as error:
        raise DataError(f"{folder}: not a checkpoint: {error}") from error


def _refuse_another_form(seen: str, expected: str, *, step: int) -> None:
    if seen != expected:
        raise ResumeRefused(
            f"the checkpoint of step {step} holds the files of the trainer {seen}, this is the trainer {expected}",
            hint="put `parallel` and the device back to what they were and `legalone resume`; weights and moments "
            "are not carried from one trainer to the other",
        )


def _tensors(path: Path) -> dict[str, np.ndarray]:
    file = TensorFile(path)
    tensors = {name: file.read(name) for name in file.names()}
    name = first_non_finite(tensors)
    if name is not None:
        raise DataError(f"{path}: {name} holds a value that is no finite number")
    return tensors
