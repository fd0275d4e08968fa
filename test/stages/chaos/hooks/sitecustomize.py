"""Kills the program that Python is about to run, at one exact place: read by Python itself before anything else.

`LEGALONE_TEST_KILL` is `<audit event>|<part of its first argument, or =all of it>|<n>`: SIGKILL just before the
n-th such call.
The program under test is not changed and knows nothing of it.
"""

import os
import signal
import sys

_wanted = os.environ.get("LEGALONE_TEST_KILL")
if _wanted:
    _event, _part, _left = _wanted.split("|")
    _count = [int(_left)]

    def _watch(event: str, arguments: tuple) -> None:
        if event != _event or not arguments:
            return
        seen = str(arguments[0])
        if seen != _part[1:] if _part.startswith("=") else _part not in seen:
            return
        _count[0] -= 1
        if _count[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(_watch)
