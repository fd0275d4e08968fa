"""What a process that a worker starts owes to it."""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def die_with_parent(parent: int | None = None) -> None:
    """SIGKILL when the parent is gone (Linux; elsewhere the parent alone ends it). `parent` is its pid, where it told
    it: in a container it may be process 1, which otherwise adopts those whose parent is gone."""
    if not sys.platform.startswith("linux"):
        return
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    gone = os.getppid() == 1 if parent is None else os.getppid() != parent
    if gone:  # it went before that was set
        os._exit(1)
