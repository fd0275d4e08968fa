"""Begin and end of each step's body, in ns of CLOCK_MONOTONIC, which all processes of a machine share."""

from __future__ import annotations

import itertools
import json
import os
import sys
import time

FILE = "BENCH_MARKS"


def step(chain: str, index: int) -> None:
    """The body of an empty step: one line in the file that BENCH_MARKS names."""
    begin = time.monotonic_ns()
    line = json.dumps({"chain": chain, "index": index, "begin": begin, "end": time.monotonic_ns()})
    descriptor = os.open(os.environ[FILE], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.write(descriptor, f"{line}\n".encode())
    os.close(descriptor)


def report(tool: str, version: str, cold_ms: float, submitted: dict[str, int], note: str = "") -> None:
    """Prints what was measured: `submitted` has the time (ns) before each chain was handed over."""
    with open(os.environ[FILE], encoding="utf-8") as file:
        marks = [json.loads(line) for line in file]
    chains: dict[str, list[dict[str, int]]] = {}
    for mark in sorted(marks, key=lambda mark: mark["index"]):
        chains.setdefault(mark["chain"], []).append(mark)
    starts = [(chains[name][0]["begin"] - at) / 1e6 for name, at in submitted.items()]
    gaps = [
        (after["begin"] - before["end"]) / 1e6
        for steps in chains.values()
        for before, after in itertools.pairwise(steps)
    ]
    told = {"tool": tool, "version": version, "coldMs": cold_ms, "submitMs": starts, "stageMs": gaps}
    print(json.dumps({**told, "note": note}))
    sys.stdout.flush()
