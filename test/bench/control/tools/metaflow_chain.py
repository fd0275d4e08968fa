"""Metaflow: a flow of empty steps, a process each, local datastore and metadata. `metaflow_chain.py MODE STEPS SUBMITS`.

A run is a command (`python flow.py run`), so the time to start holds the interpreter and Metaflow's imports.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time

FROM = time.monotonic()

import metaflow  # noqa: E402

COLD_MS = (time.monotonic() - FROM) * 1000
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import marks  # noqa: E402


def source(chain: str, steps: int) -> str:
    """The text of a flow; Metaflow wants its first step called start and its last one end."""
    names = ["start", *(f"s{index}" for index in range(1, steps - 1)), "end"]
    lines = [
        "import sys",
        f"sys.path.insert(0, {HERE!r})",
        "import marks",
        "from metaflow import FlowSpec, step",
    ]
    lines.append(f"class {chain.title()}Flow(FlowSpec):")
    for index, name in enumerate(names):
        lines += ["    @step", f"    def {name}(self):", f"        marks.step({chain!r}, {index})"]
        if name != "end":
            lines.append(f"        self.next(self.{names[index + 1]})")
    lines += ['if __name__ == "__main__":', f"    {chain.title()}Flow()"]
    return "\n".join(lines) + "\n"


def main() -> None:
    """One chain of all steps, and short ones (two steps are the least) for the time to start."""
    steps, submits = int(sys.argv[2]), int(sys.argv[3])
    submitted: dict[str, int] = {}
    for number, count in enumerate([steps] + [2] * (submits - 1)):
        chain = f"c{number}"
        with open(f"{chain}.py", "w", encoding="utf-8") as file:
            file.write(source(chain, count))
        submitted[chain] = time.monotonic_ns()
        subprocess.run(
            [sys.executable, f"{chain}.py", "--quiet", "run"], check=True, stdout=subprocess.DEVNULL
        )
    note = "a run is a command: its start counts in submit"
    marks.report("metaflow processes", metaflow.__version__, COLD_MS, submitted, note)


if __name__ == "__main__":
    main()
