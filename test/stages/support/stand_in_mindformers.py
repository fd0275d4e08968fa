"""A stand-in for a node with MindFormers: an msrun on the PATH and a source tree whose scripts convert nothing."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

_COPY = """
import json, os, shutil, sys
from pathlib import Path
flags = dict(argument[2:].split("=", 1) for argument in sys.argv[1:])
target = Path(flags["huggingface_ckpt_path"])
target.mkdir(parents=True)
(target.parent / "flags.json").write_text(json.dumps(flags))
shutil.copyfile(Path(os.environ["STAND_IN_WEIGHTS"]) / "model.safetensors", target / "model.safetensors")
print("stand-in for the conversion: the base weights are copied")
"""


def stand_in_node(
    folder: Path, weights: Path, monkeypatch: pytest.MonkeyPatch, *, ending: str = "well"
) -> None:
    """Sets PATH, device and source tree for stages that are started from here; `weights` are what is handed over."""
    script = Path(__file__).with_name("stand_in_msrun.py")
    program = folder / "bin" / "msrun"
    program.parent.mkdir(parents=True)
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{script}" "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    tree = folder / "tree"
    for name, text in (
        ("toolkit/safetensors/unified_safetensors.py", "print('stand-in for the merge')\n"),
        ("toolkit/weight_convert/qwen3/reverse_mcore_qwen3_weight_to_hf.py", _COPY),
    ):
        (tree / name).parent.mkdir(parents=True)
        (tree / name).write_text(text, encoding="utf-8")
    monkeypatch.setenv("PATH", str(program.parent), prepend=":")
    monkeypatch.setenv("LEGALONE_DEVICE", "ascend")
    monkeypatch.setenv("LEGALONE_MINDFORMERS", str(tree))
    monkeypatch.setenv("STAND_IN_WEIGHTS", str(weights))
    monkeypatch.setenv("STAND_IN_MSRUN", ending)
