"""A stand-in for a node with MindFormers: an msrun on the PATH and a source tree whose scripts convert nothing."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

_MERGE = """
import json, sys
from pathlib import Path
from safetensors.numpy import load_file
flags = dict(argument[2:].split("=", 1) for argument in sys.argv[1:])
files = sorted(Path(flags["mindspore_ckpt_dir"]).glob(f"rank_*/*-{flags['file_suffix']}.safetensors"))
strategies = sorted(Path(flags["src_strategy_dirs"]).glob("ckpt_strategy_rank_*.ckpt"))
assert files and len(files) == len(strategies), (files, strategies)
rows = [load_file(path)["rows"].astype(int).tolist() for path in files]
assert all(one == rows[0] for one in rows), "the ranks hold different steps"
target = Path(flags["output_dir"])
target.mkdir(parents=True, exist_ok=True)
(target / "rows.json").write_text(json.dumps(rows[0]))
print("stand-in for the merge: the rows that the weights have seen are written")
"""

_COPY = """
import json, os, shutil, signal, sys, time
from pathlib import Path
flags = dict(argument[2:].split("=", 1) for argument in sys.argv[1:])
target = Path(flags["huggingface_ckpt_path"])
target.mkdir(parents=True)
(target.parent / "flags.json").write_text(json.dumps(flags))
print("stand-in for the conversion: the base weights are copied", flush=True)
while os.environ["STAND_IN_CONVERSION"] == "hangs":
    time.sleep(0.05)
shutil.copyfile(Path(os.environ["STAND_IN_WEIGHTS"]) / "model.safetensors", target / "model.safetensors")
"""


def stand_in_node(
    folder: Path,
    weights: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    ending: str = "well",
    conversion: str = "well",
) -> None:
    """Sets PATH, devices and source tree for stages that are started from here; `weights` are what is handed over.

    Held-out documents are scored for real, on the CPU. `ending` is that of stand_in_msrun.py; a conversion may hang.
    """
    script = Path(__file__).with_name("stand_in_msrun.py")
    program = folder / "bin" / "msrun"
    program.parent.mkdir(parents=True, exist_ok=True)
    program.write_text(
        f'#!/bin/sh\nPYTHONPATH="{script.parents[1]}:$PYTHONPATH" exec "{sys.executable}" "{script}" "$@"\n',
        encoding="utf-8",
    )
    program.chmod(0o755)
    tree = folder / "tree"
    for name, text in (
        ("toolkit/safetensors/unified_safetensors.py", _MERGE),
        ("toolkit/weight_convert/qwen3/reverse_mcore_qwen3_weight_to_hf.py", _COPY),
    ):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text(text, encoding="utf-8")
    monkeypatch.setenv("PATH", str(program.parent), prepend=":")
    monkeypatch.setenv("LEGALONE_DEVICE", "ascend")
    monkeypatch.setenv("LEGALONE_HELDOUT_DEVICE", "cpu")
    monkeypatch.setenv("LEGALONE_MINDFORMERS", str(tree))
    monkeypatch.setenv("STAND_IN_WEIGHTS", str(weights))
    monkeypatch.setenv("STAND_IN_MSRUN", ending)
    monkeypatch.setenv("STAND_IN_CONVERSION", conversion)
