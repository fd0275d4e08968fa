"""What the attempt starts: msrun, and through msrun every rank and the scheduler they meet at.

`launch.py msrun ARGUMENTS…` is msrun; `launch.py --job job.json` is one process of those it starts. All die with
their parent: msrun gives its ranks sessions of their own, so that nobody who kills the attempt reaches them.
"""

from __future__ import annotations

import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[4]


def main() -> None:
    """One of the two."""
    # A script's own folder comes first: with it there, files beside this one would hide packages of the same name.
    sys.path[0] = str(CHECKOUT)
    from stages._worker.parent import die_with_parent

    die_with_parent()
    if sys.argv[1] == "msrun":
        from mindspore.parallel.cluster.run import main as msrun

        del sys.argv[1]
        msrun()
        return
    from stages._worker.training.ranks.rank import run_rank

    run_rank(Path(sys.argv[sys.argv.index("--job") + 1]))


if __name__ == "__main__":
    main()
