"""`with_parent.py PID COMMAND…` turns into COMMAND, which the kernel kills once its parent, the process PID, is gone."""

from __future__ import annotations

import os
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[4]


def main() -> None:
    """Ends with 127 where there is no such program."""
    parent, *command = sys.argv[1:]
    # A script's own folder comes first: with it there, files beside this one would hide packages of the same name.
    sys.path[0] = str(CHECKOUT)
    from stages._worker.parent import die_with_parent

    die_with_parent(int(parent))
    try:
        os.execvp(command[0], command)
    except OSError as error:
        print(f"cannot start {command[0]}: {error}", file=sys.stderr)
        sys.exit(127)


if __name__ == "__main__":
    main()
