"""Batches prepared in several processes, and taken from them in the order of one.

Every process reads all rows and prepares every n-th batch: reading costs little, and nobody has to hand rows out.
"""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import Pipe

from stages._worker.failures import DataError, Killed, WorkerFailure
from stages._worker.locations import CHECKOUT
from stages.corpus.prepare import Prepared, Work
from stages.corpus.reading.batches import START

_POLL_SECONDS = 0.1
_ANSWERED_HERE = {signal.SIGTERM, signal.SIGINT}


@dataclass(kw_only=True, slots=True, frozen=True)
class Failed:
    """What a process hands over in place of a batch when it cannot go on."""

    failure: WorkerFailure
    traceback: str


class InProcess(Exception):
    """Shows the traceback of a process, as the cause of the failure it had."""


@contextmanager
def prepared_by(processes: int, work: Work, tick: Callable[[], None]) -> Iterator[Iterator[Prepared]]:
    """The batches of the work in order, prepared by so many processes, which end with the context.

    `tick` is called while a batch is waited for, and may raise. A failure in a process is raised where its batch is
    due, after all that one process alone would have given before it. Raises Killed when a process was killed.
    """
    helpers: list[_Helper] = []
    try:
        for _ in range(processes):
            helpers.append(_Helper())
        for number, helper in enumerate(helpers):
            helper.begin(work, number, processes)
        yield _in_order(helpers, work, tick)
    finally:
        for helper in helpers:
            helper.end()


def _in_order(helpers: list[_Helper], work: Work, tick: Callable[[], None]) -> Iterator[Prepared]:
    place = START
    for helper in itertools.cycle(helpers):
        prepared = helper.take(tick)
        if prepared is None or prepared.place != place:
            name = work.config["sources"][place[0]]["name"]
            raise DataError(
                f"source {name}: two processes that read it saw different rows (after row {place[1]})",
                hint="let nothing write to its files, end its query in ORDER BY, or say `processes: 1`",
            )
        yield prepared
        place = prepared.next_place
        if place[0] == len(work.files):
            return


class _Helper:
    """One process that prepares, and the pipe it hands its batches over by."""

    def __init__(self) -> None:
        self._pipe, theirs = Pipe()
        # SIGTERM goes to the stage and its processes alike: those leave it to the stage, from their first moment on.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _ANSWERED_HERE)
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "stages.corpus.helper", str(theirs.fileno()), str(os.getpid())],
                cwd=CHECKOUT,
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )
        except OSError:
            self._pipe.close()
            raise
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            # Held open here, it would hide that the process is gone.
            theirs.close()

    def begin(self, work: Work, number: int, processes: int) -> None:
        """Tells it what to prepare: every batch whose number leaves `number` when divided by `processes`."""
        try:
            self._pipe.send((work, number, processes))
        except OSError as error:
            raise self._lost() from error

    def take(self, tick: Callable[[], None]) -> Prepared | None:
        """Its next batch; None when it has none. Raises what ended it."""
        while not self._pipe.poll(_POLL_SECONDS):
            tick()
        try:
            told = self._pipe.recv()
        except (EOFError, OSError) as error:
            if self._process.wait() == 0:
                return None
            raise self._lost() from error
        if isinstance(told, Failed):
            raise told.failure from InProcess(told.traceback)
        return told

    def end(self) -> None:
        """Kills it, where it still runs."""
        self._pipe.close()
        self._process.kill()
        self._process.wait()

    def _lost(self) -> WorkerFailure:
        code = self._process.wait()
        who = f"process {self._process.pid}, which prepared documents,"
        if code < 0:
            return Killed(
                f"{who} was ended by {signal.Signals(-code).name}, which nobody here sent",
                hint="the kernel does that when memory runs out: take fewer `processes`",
            )
        return WorkerFailure(f"{who} ended with code {code} without a word", hint="read what it wrote above")
