"""Looks that may wait for a disk or a server, all at the same time, and no longer than they are worth."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence

from stages._early.problem import Problem
from stages._worker.failures import WorkerFailure

Look = tuple[str, Callable[[], Iterable[Problem]]]
"""What is looked at, in a few words, and how."""


def at_once(looks: Sequence[Look], seconds: float) -> list[list[Problem]]:
    """The problems of each look. One that breaks, or is not back in time, is a problem about the look itself.

    A thread that still waits is left behind: it is a daemon, and keeps no process from its end.
    """
    found: list[list[Problem] | None] = [None] * len(looks)

    def work(place: int) -> None:
        what, look = looks[place]
        problems: list[Problem] = []
        try:
            for problem in look():
                problems.append(problem)
        except WorkerFailure as error:
            problems.append(Problem(message=str(error), hint=error.hint))
        except Exception as error:
            told = f"could not look at {what}: {type(error).__name__}: {error}"
            problems.append(Problem(message=told, about="look"))
        found[place] = problems

    threads = [threading.Thread(target=work, args=(place,), daemon=True) for place in range(len(looks))]
    for thread in threads:
        thread.start()
    end = time.monotonic() + seconds
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
    return [
        [Problem(message=f"could not look at {what}: nothing came within {seconds:g} s", about="look")]
        if problems is None
        else problems
        for (what, _), problems in zip(looks, found, strict=True)
    ]
