"""Leaving on SIGTERM: a stage that has something to save does so itself, all others are ended from here.

MindSpore compiles and evaluates for minutes without coming back to Python, where the handler of a signal would
run. The kernel's side of it writes to a pipe at once, and a thread of its own reads that.
"""

from __future__ import annotations

import os
import signal
import threading
from typing import NoReturn

from stages._worker.events import EventFile
from stages._worker.failures import Stopped
from stages._worker.worker import Worker

_STOPS = (signal.SIGTERM, signal.SIGINT)
# A stage that looks at `stopping` is given this long to leave by itself.
_COURTESY_SECONDS = 0.3


class Leaving:
    """Watches for SIGTERM and SIGINT; `stop` is set by them. Needs the main thread."""

    def __init__(self) -> None:
        self.stop = threading.Event()
        self._worker: Worker | None = None
        self._events: EventFile | None = None
        for number in _STOPS:
            signal.signal(number, lambda *_: self.stop.set())
        self._read, write = os.pipe()
        os.set_blocking(write, False)
        signal.set_wakeup_fd(write, warn_on_full_buffer=False)
        threading.Thread(target=self._watch, name="leaving", daemon=True).start()

    def watch(self, worker: Worker, events: EventFile) -> None:
        """From now on the attempt of `worker` may be ended while it has nothing to save."""
        self._worker, self._events = worker, events

    def _watch(self) -> None:
        # The number of every signal that has a handler comes here, of handlers of other libraries too.
        while os.read(self._read, 1)[0] not in _STOPS:
            pass
        self.stop.set()
        threading.Event().wait(_COURTESY_SECONDS)
        while self._worker is None or not self._worker.may_be_left:
            threading.Event().wait(0.1)
        self._leave(self._worker)

    def _leave(self, worker: Worker) -> None:
        message = f"stopped by SIGTERM in phase {worker.current_phase or 'loading'}, nothing to save"
        worker.close()
        try:
            mine = self._events is None or self._events.write(
                "result", last=True, status="stopped", reason=Stopped.reason, message=message
            )
        except OSError:
            mine = True  # on a full disk the exit code says it alone
        if mine:
            _end(message)


def _end(message: str) -> NoReturn:
    os.write(2, f"stopped: {message}\n".encode())
    os._exit(Stopped.exit_code)
