"""From a checkpoint back to training: what must be the same, what a fork may change, and the proof of the ledger."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from mindspore import Tensor, nn

from stages._worker.failures import DataError, ResumeRefused
from stages._worker.model.weights import set_weights, weights_of
from stages._worker.training.checkpoint import Checkpoint
from stages._worker.training.ledger import Beginning, Ledger, begin_at, beginning_of
from stages._worker.training.train_step import TrainStep
from stages._worker.worker import Worker

_FORK_HINT = "put them back and `legalone resume`, or `legalone fork` the run to go on with the new ones"


def prove(
    worker: Worker,
    found: Checkpoint,
    settings: dict[str, Any],
    *,
    steps: int,
    rows: Callable[[int], np.ndarray],
    order_sha256: str | None,
    fork: bool,
) -> Ledger:
    """The ledger at the checkpoint, of a training of `steps` steps whose step t consumes `rows(t)`.

    Raises ResumeRefused for a checkpoint with more steps done, for other settings and for another past; a fork may
    have others.
    """
    if found.step > steps:
        raise ResumeRefused(
            f"the checkpoint has {found.step} steps done, this training has {steps} in all",
            hint="`legalone fork` with an earlier --step, or plan more steps",
        )
    ledger = begin_again(worker, found, settings, order_sha256=order_sha256, fork=fork)
    if not fork:
        begins = ledger.begins
        for step in range(0 if begins is None else begins.step, found.step):
            ledger.consume(rows(step))
        refuse_another_past(ledger, found)
    return ledger


def begin_again(
    worker: Worker,
    found: Checkpoint,
    settings: dict[str, Any],
    *,
    order_sha256: str | None,
    fork: bool,
) -> Ledger:
    """The ledger before the first step that this training has to prove.

    Without `fork` every difference in settings or order is refused; the rows up to the checkpoint are then to be
    consumed again and compared. With it the differences are told in one warning, and a new chain begins.
    """
    changes = [
        f"{name} was {old} and is {new}"
        for name, old, new in _differences(
            {**found.settings, "orderSha256": found.cursor.get("orderSha256")},
            {**json.loads(json.dumps(settings)), "orderSha256": order_sha256},
        )
    ]
    try:
        if not fork:
            if changes:
                raise ResumeRefused(
                    f"the checkpoint of step {found.step} belongs to another training: " + "; ".join(changes),
                    hint=_FORK_HINT,
                )
            return begin_at(beginning_of(found.cursor))
        begins = Beginning(
            step=found.step,
            row=int(found.cursor["row"]),
            left=bytes.fromhex(found.cursor["ledger"]),
            order_sha256=found.cursor.get("orderSha256"),
            changed=tuple(changes),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ResumeRefused(f"the checkpoint of step {found.step} has no ledger: {error!r}") from error
    worker.warning(
        f"forked at step {found.step}, row {begins.row}, ledger {begins.left.hex()[:12]}; "
        f"changed: {'; '.join(changes) or 'nothing'}",
        code="forked",
    )
    return begin_at(begins)


def refuse_another_past(proven: Ledger, found: Checkpoint) -> None:
    """Raises ResumeRefused when the rows of this training are not those the checkpoint consumed."""
    row, head = found.cursor.get("row"), found.cursor.get("ledger")
    if (proven.row, proven.head.hex()) != (row, head):
        raise ResumeRefused(
            f"the rows before step {found.step} are not those the checkpoint consumed: expected {row} rows with "
            f"ledger {head}, saw {proven.row} rows with ledger {proven.head.hex()}",
            hint="`legalone fork` is the way to change the data of a run",
        )


def tensors_of(network: nn.Cell, step: TrainStep) -> dict[str, dict[str, np.ndarray]]:
    """Weights and optimizer for a checkpoint; `restore` puts them back."""
    moments = {name: value.asnumpy() for name, value in step.optimizer.moments().items()}
    return {"model": weights_of(network), "optimizer": moments}


def restore(network: nn.Cell, step: TrainStep, found: Checkpoint) -> None:
    """Puts weights and optimizer back. Raises ResumeRefused for those of another shape."""
    where = f"checkpoint of step {found.step}"
    try:
        set_weights(network, found.tensors.get("model", {}), where=where)
    except DataError as error:
        raise ResumeRefused(
            f"another model: {error}", hint="a checkpoint fits the model it was made with, a fork too"
        ) from error
    saved = found.tensors.get("optimizer", {})
    for name, moment in step.optimizer.moments().items():
        if name not in saved:
            raise ResumeRefused(f"{where}: {name} is missing")
        if saved[name].shape != tuple(moment.shape):
            raise ResumeRefused(f"{where}: {name} has shape {saved[name].shape}, expected {moment.shape}")
        moment.set_data(Tensor(saved[name]))
    step.updates = found.step


def _differences(old: Any, new: Any, name: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Leaves of two settings that differ, by dotted name."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted({*old, *new}):
            yield from _differences(old.get(key), new.get(key), f"{name}.{key}" if name else key)
    elif old != new:
        yield name, old, new
