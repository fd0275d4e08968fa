"""The body of a rule: `snakemake_step.py CHAIN INDEX OUTPUT`."""

import sys

import marks

marks.step(sys.argv[1], int(sys.argv[2]))
with open(sys.argv[3], "w", encoding="utf-8") as output:
    output.write(sys.argv[2])
