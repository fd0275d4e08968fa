"""Where an attempt begins: at the base model, or at a committed checkpoint that is laid where MindFormers looks for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stages._worker.failures import DataError, ResumeRefused
from stages._worker.job import ResumePoint
from stages._worker.training.checkpoint import Checkpoint
from stages._worker.training.going_on import prove
from stages._worker.training.ledger import Ledger
from stages._worker.training.resume import newest_sound, tell_of_another_environment
from stages._worker.training.room import require_room
from stages._worker.worker import Worker
from stages.midtrain.mindformers.checkpoints.commits import FORM
from stages.midtrain.mindformers.checkpoints.placing import place, room_for
from stages.midtrain.mindformers.checkpoints.saves import (
    CHECKPOINT,
    STRATEGY,
    read_save,
    save_path,
    write_meta,
)
from stages.midtrain.mindformers.layout import Layout
from stages.midtrain.order import Order


@dataclass(kw_only=True, slots=True, frozen=True)
class Start:
    """`step` steps are done, and the ledger stands there."""

    step: int = 0
    ledger: Ledger = field(default_factory=Ledger)
    folder: Path | None = None
    """The folders `checkpoint` and `strategy` of that step; None at the base model."""


def start_at(
    worker: Worker,
    resume: ResumePoint | None,
    *,
    layout: Layout,
    order: Order,
    settings: dict[str, Any],
    folder: Path,
) -> Start:
    """The newest sound checkpoint, proven and laid into `folder`; without one to go on from, the beginning.

    Raises ResumeRefused for a checkpoint of another trainer, layout, order or setting, and DataError where none is
    sound; a fork may have another order and other settings, but no other layout or batch.
    """
    if resume is None:
        return Start()
    found = newest_sound(resume, worker, form=FORM)
    _refuse_another_cut(found, layout)
    ledger = prove(
        worker,
        found,
        settings,
        steps=order.steps,
        rows=order.rows,
        order_sha256=order.sha256,
        fork=resume.fork,
    )
    tell_of_another_environment(worker, found)
    if found.folder is None:
        raise ValueError(f"the checkpoint of step {found.step} was not read from a folder")
    _lay(found.folder, folder, found.step, layout)
    return Start(step=found.step, ledger=ledger, folder=folder)


def _refuse_another_cut(found: Checkpoint, layout: Layout) -> None:
    try:
        seen: Mapping[str, Any] = dict(found.extra["layout"])
        batch = int(found.settings["batch"])
    except (KeyError, TypeError, ValueError) as error:
        raise ResumeRefused(
            f"the checkpoint of step {found.step} does not say how it was cut: {error!r}"
        ) from error
    here = layout.cut()
    changed = [
        f"{name} was {seen.get(name)} and is {size}" for name, size in here.items() if seen.get(name) != size
    ]
    if changed:
        raise ResumeRefused(
            f"the checkpoint of step {found.step} was cut for another layout: {'; '.join(changed)}",
            hint="set parallel and resources back and go on with them, or `legalone retry` to begin the stage anew: "
            "checkpoints are not cut again for another layout, for a fork neither",
        )
    if batch != layout.global_batch:
        raise ResumeRefused(
            f"the checkpoint of step {found.step} was made with batches of {batch} sequences, this training has "
            f"{layout.global_batch}: MindFormers would count its steps anew by their ratio",
            hint=f"set with.batch back to {batch}; a fork may change the order and the schedule",
        )


def _lay(source: Path, folder: Path, step: int, layout: Layout) -> None:
    ranks = range(layout.world)
    names = [save_path(rank, step) for rank in ranks]
    strategies = sorted((source / STRATEGY).glob("*.ckpt"))
    missing = [str(name) for name in names if not (source / name).is_file()]
    if missing:
        raise ResumeRefused(
            f"{source} lacks {', '.join(missing)}: it is no checkpoint of {layout.world} ranks"
        )
    folder.mkdir(parents=True, exist_ok=True)
    room = room_for([*(source / name for name in names), *strategies], folder)
    require_room(folder, room, what=f"the checkpoint of step {step} beside the training")
    for name in names:
        place(source / name, folder / CHECKPOINT / name)
    for path in strategies:
        place(path, folder / STRATEGY / path.name)
    write_meta(folder / CHECKPOINT, step, ranks=layout.world)
    try:
        read_save(folder / CHECKPOINT, step, ranks=layout.world, batch=layout.global_batch)
    except DataError as error:
        raise ResumeRefused(f"the checkpoint of step {step} is at another position: {error}") from error
