"""A process that prepares batches for the corpus stage: `python -m stages.corpus.helper FD PID`, started by it alone.

FD is its end of the pipe, PID the stage. It is told its work there, hands its batches over in order, and ends when the stage is gone.
"""

from __future__ import annotations

import os
import pickle
import queue
import sys
import threading
import traceback
from collections.abc import Iterator
from multiprocessing.connection import Connection

from stages._worker.failures import as_failure
from stages._worker.parent import die_with_parent
from stages.corpus.prepare import Preparation, Prepared, Work
from stages.corpus.processes import Failed
from stages.corpus.reading.batches import read_batches

# Batches that wait to be taken, so that one that takes long holds nobody up; with those at work all that is in memory.
_WAITING = 2


def main() -> None:
    """Prepares its share and ends."""
    die_with_parent(int(sys.argv[2]))
    pipe = Connection(int(sys.argv[1]))
    work, number, processes = pipe.recv()
    waiting: queue.Queue[bytes | None] = queue.Queue(_WAITING)
    sender = threading.Thread(target=_send, args=(pipe, waiting), name="sender")
    sender.start()
    try:
        for prepared in share(work, number, processes):
            waiting.put(pickle.dumps(prepared, pickle.HIGHEST_PROTOCOL))
    except Exception as error:
        failed = Failed(failure=as_failure(error), traceback=traceback.format_exc())
        waiting.put(pickle.dumps(failed))
    waiting.put(None)
    sender.join()


def share(work: Work, number: int, processes: int) -> Iterator[Prepared]:
    """Every batch whose number leaves `number` when divided by `processes`, prepared."""
    preparation = Preparation(work)
    for place, batch in enumerate(read_batches(work.config["sources"], work.files)):
        if place % processes == number:
            yield preparation.of(batch)


def _send(pipe: Connection, waiting: queue.Queue[bytes | None]) -> None:
    while (packed := waiting.get()) is not None:
        try:
            pipe.send_bytes(packed)
        except OSError:
            os._exit(1)  # nobody takes them any more


if __name__ == "__main__":
    main()
