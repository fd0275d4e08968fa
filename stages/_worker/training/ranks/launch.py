"""What the attempt starts: msrun, and through msrun every rank and the scheduler they meet at.

`launch.py msrun ARGUMENTS…` is msrun; `launch.py --job job.json` is one process of those it starts. All die with
their parent: msrun gives its ranks sessions of their own, so that nobody who kills the attempt reaches them.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[4]
_PR_SET_PDEATHSIG = 1


def die_with_parent(parent: int | None = None) -> None:
    """SIGKILL when the parent is gone (Linux; elsewhere the attempt alone ends its ranks). `parent` is its pid, where
    it told it: in a container the attempt may be process 1, which otherwise adopts those whose parent is gone."""
    if not sys.platform.startswith("linux"):
        return
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    gone = os.getppid() == 1 if parent is None else os.getppid() != parent
    if gone:  # it went before that was set
        os._exit(1)


def main() -> None:
    """One of the two."""
    # A script's own folder comes first: with it there, files beside this one would hide packages of the same name.
    sys.path[0] = str(CHECKOUT)
    if sys.argv[1] == "msrun":
        die_with_parent()
        from mindspore.parallel.cluster.run import main as msrun

        del sys.argv[1]
        msrun()
        return
    die_with_parent()
    from stages._worker.training.ranks.rank import run_rank

    run_rank(Path(sys.argv[sys.argv.index("--job") + 1]))


if __name__ == "__main__":
    main()
