"""Starts and ends the scripted teacher, a process of its own that leaves with us."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from stages._worker.failures import EndpointUnavailable
from stages._worker.locations import CHECKOUT


@contextmanager
def scripted_server() -> Iterator[str]:
    """Base URL of a scripted teacher on a free port of the loopback interface."""
    # Its standard input is a pipe of ours: when we are gone, however we ended, it reads the end and leaves.
    process = subprocess.Popen(
        [sys.executable, "-m", "stages._lead.scripted.server"],
        cwd=CHECKOUT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None and process.stdout is not None
    try:
        line = process.stdout.readline().strip()
        if not line:
            raise EndpointUnavailable(f"the scripted teacher did not start (exit {process.wait()})")
        yield f"http://127.0.0.1:{line}/v1"
    finally:
        process.stdin.close()
        process.stdout.close()
        process.wait(timeout=10)
