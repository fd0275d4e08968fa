"""Checkpoints while MindFormers trains: every whole save of it becomes one of the run, proven and kept as the native
trainer's are.

Hashing takes long and the log goes on, so one thread of its own takes one save after the other.
"""

from __future__ import annotations

import contextlib
import shutil
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from stages._worker.failures import DataError, WorkerFailure
from stages._worker.model.tensor_folder import FileTensors
from stages._worker.training.checkpoint import commit_checkpoint, refuse_non_finite
from stages._worker.training.ledger import Ledger
from stages._worker.training.room import require_room
from stages._worker.worker import Worker
from stages.midtrain.mindformers.checkpoints.placing import place, room_for
from stages.midtrain.mindformers.checkpoints.saves import (
    CHECKPOINT,
    START,
    STRATEGY,
    Save,
    begun_steps,
    read_save,
    save_path,
    strategy_files,
)
from stages.midtrain.mindformers.layout import Layout
from stages.midtrain.order import Order

FORM = "mindformers"
"""Form of these checkpoints: rank_<r>/, strategy/, and the layout they were cut for in `extra`."""


class Commits:
    """Takes the saves of one msrun. `ledger` stands at step `done`."""

    def __init__(
        self,
        worker: Worker,
        *,
        output: Path,
        layout: Layout,
        order: Order,
        settings: dict[str, Any],
        ledger: Ledger,
        done: int,
    ) -> None:
        self.done = done
        """Steps of the newest checkpoint."""
        self._worker = worker
        self._output = output
        self._layout = layout
        self._order = order
        self._settings = settings
        self._ledger = ledger
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="commits")
        self._running: Future[None] | None = None
        self._failed = False

    def look(self) -> None:
        """Begins with the next whole save unless one is being taken. Raises what went wrong with the last one:
        NumericError for values that are not finite, DiskFull where the next save would find no room."""
        if self._running is not None:
            if not self._running.done():
                return
            self._await()
        save = self._next()
        if save is not None:
            self._running = self._pool.submit(self._take, save)

    def finish(self) -> None:
        """Takes what is whole, when nothing more is being written."""
        self.look()
        while self._running is not None:
            self._await()
            self.look()

    def close(self) -> None:
        """Ends the thread, after the save it may be taking."""
        self._pool.shutdown(wait=True)

    def require_last(self) -> None:
        """Raises WorkerFailure when the last step has no whole save: there is nothing to convert."""
        try:
            self._read(self._order.steps)
        except DataError as error:
            raise WorkerFailure(
                f"msrun ended well, but its save of the last step is not whole: {error}",
                hint=f"read the logs in {self._output / 'logs'}",
            ) from error

    def _await(self) -> None:
        running, self._running = self._running, None
        if running is not None:
            # Until it went well: what failed once is not tried again.
            self._failed = True
            running.result()
            self._failed = False

    def _next(self) -> Save | None:
        if self._worker.job.checkpoint_every is None or self._failed:
            return None
        for step in begun_steps(self._output / CHECKPOINT):
            if step > self.done:
                with contextlib.suppress(DataError):
                    return self._read(step)
        return None

    def _read(self, step: int) -> Save:
        return read_save(
            self._output / CHECKPOINT, step, ranks=self._layout.world, batch=self._layout.global_batch
        )

    def _take(self, save: Save) -> None:
        for path in save.files:
            refuse_non_finite({path.name: FileTensors(path)}, where=str(path))
        ledger = ledger_after(self._ledger, self._order, done=self.done, steps=save.step)
        strategies = self._strategies()

        def write(folder: Path) -> None:
            for rank, path in enumerate(save.files):
                place(path, folder / save_path(rank, save.step))
                # MindFormers lets its own user alone read it; the agent that keeps checkpoints may be another.
                (folder / save_path(rank, save.step)).chmod(0o644)
            for path in strategies:
                place(path, folder / STRATEGY / path.name)

        root = self._worker.job.folder
        commit_checkpoint(
            self._worker,
            step=save.step,
            cursor={**ledger.as_json(), "orderSha256": self._order.sha256},
            settings=self._settings,
            write=write,
            room=room_for([*save.files, *strategies], root),
            extra={"layout": self._layout.cut()},
            form=FORM,
        )
        self.done, self._ledger = save.step, ledger
        self._remove_older(save.step)
        if save.step < self._order.steps:
            require_room(root, save.size, what="the next save of MindFormers")

    def _strategies(self) -> list[Path]:
        """Going on in the same layout needs none of them; the conversion does."""
        found = strategy_files(self._output, ranks=self._layout.world)
        if len(found) != self._layout.world:
            self._worker.warning(
                f"{self._output / STRATEGY} has the strategies of {len(found)} of {self._layout.world} ranks: a "
                "model may not be converted from this checkpoint",
                code="strategy_missing",
            )
        return found

    def _remove_older(self, step: int) -> None:
        """MindFormers' own names of what is committed; what it is at and its newest stay."""
        checkpoint = self._output / CHECKPOINT
        for older in begun_steps(checkpoint):
            if older < step:
                for rank in range(self._layout.world):
                    (checkpoint / save_path(rank, older)).unlink(missing_ok=True)
        shutil.rmtree(self._output / START, ignore_errors=True)


def ledger_after(ledger: Ledger, order: Order, *, done: int, steps: int) -> Ledger:
    """The ledger after `steps` steps, from one that stands at step `done`."""
    later = replace(ledger)
    for step in range(done, steps):
        later.consume(order.rows(step))
    return later
