"""Snakemake: a chain of rules, each a Python process. `snakemake_chain.py MODE STEPS SUBMITS`.

A run is a command (`snakemake`), so the time to start holds the interpreter and Snakemake's imports.
"""

from __future__ import annotations

import importlib.metadata
import os
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import marks  # noqa: E402


def source(chain: str, steps: int) -> str:
    """The text of a Snakefile."""
    lines = ["rule all:", f"    input: '{chain}/{steps - 1}.txt'"]
    for index in range(steps):
        lines += [f"rule s{index}:"]
        if index > 0:
            lines += [f"    input: '{chain}/{index - 1}.txt'"]
        lines += [
            f"    output: '{chain}/{index}.txt'",
            f"    shell: '{sys.executable} {HERE}/snakemake_step.py {chain} {index} {{output}}'",
        ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """One chain of all rules, and short ones for the time to start."""
    steps, submits = int(sys.argv[2]), int(sys.argv[3])
    begun = time.monotonic()
    snakemake = [sys.executable, "-m", "snakemake"]
    subprocess.run([*snakemake, "--version"], check=True, stdout=subprocess.DEVNULL)
    cold = (time.monotonic() - begun) * 1000
    submitted: dict[str, int] = {}
    for number, count in enumerate([steps] + [1] * (submits - 1)):
        chain = f"c{number}"
        with open(f"{chain}.smk", "w", encoding="utf-8") as file:
            file.write(source(chain, count))
        submitted[chain] = time.monotonic_ns()
        words = ["--snakefile", f"{chain}.smk", "--cores", "2", "--quiet", "all"]
        subprocess.run([*snakemake, *words], check=True)
    note = "a run is a command: its start counts in submit"
    marks.report("snakemake processes", importlib.metadata.version("snakemake"), cold, submitted, note)


if __name__ == "__main__":
    main()
