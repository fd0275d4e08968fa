"""Saves as CheckpointMonitor of MindFormers 1.9.0 writes them, for a stand-in of msrun whose only weights are the rows it
has consumed.

A rank writes a .tmp, renames it, makes it read-only and then names it in its meta.json. When more than
`keep_checkpoint_max` would be there, it makes the oldest unreadable and removes it first.
"""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save_file


def monitor_of(config: dict[str, Any]) -> dict[str, Any]:
    """The CheckpointMonitor section of a YAML."""
    return next(one for one in config["callbacks"] if one["type"] == "CheckpointMonitor")


def save(output: Path, monitor: dict[str, Any], *, rank: int, step: int, batch: int, rows: list[int]) -> None:
    """The file of one rank, and its meta.json."""
    folder = output / "checkpoint" / f"rank_{rank}"
    folder.mkdir(parents=True, exist_ok=True)
    _remove_oldest(folder, monitor["keep_checkpoint_max"])
    name = f"{monitor['prefix']}_rank_{rank}-{step}_1"
    temporary, final = folder / f"{name}.tmp", folder / f"{name}.safetensors"
    save_file(_tensors(step, batch, rows), temporary)
    temporary.rename(final)
    final.chmod(0o400)
    meta = {"last_epoch": step, "last_step": 1, "last_ckpt_file": final.name}
    with tempfile.NamedTemporaryFile("w", delete=False, dir=folder) as file:
        json.dump(meta, file)
    os.replace(file.name, folder / "meta.json")


def save_half(
    output: Path, monitor: dict[str, Any], *, rank: int, step: int, batch: int, rows: list[int]
) -> None:
    """What stands there when a rank is killed in the middle of a write."""
    folder = output / "checkpoint" / f"rank_{rank}"
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / f"{monitor['prefix']}_rank_{rank}-{step}_1.tmp"
    save_file(_tensors(step, batch, rows), temporary)
    with temporary.open("r+b") as file:
        file.truncate(temporary.stat().st_size // 2)


def read_start(config: dict[str, Any], *, ranks: int) -> tuple[int, list[int]]:
    """Steps done and rows consumed of the files that every rank's meta.json names; (0, []) at the base model."""
    if not config["resume_training"]:
        assert config["auto_trans_ckpt"], "whole weights have to be cut"
        return 0, []
    assert not config["auto_trans_ckpt"], "files of ranks are taken as they are"
    seen = []
    for rank in range(ranks):
        folder = Path(config["load_checkpoint"]) / f"rank_{rank}"
        meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
        tensors = load_file(folder / meta["last_ckpt_file"])
        seen.append((int(tensors["step_num"]), tensors["rows"].astype(int).tolist()))
    assert all(one == seen[0] for one in seen), "the ranks go on from different steps"
    return seen[0]


def _tensors(step: int, batch: int, rows: list[int]) -> dict[str, np.ndarray]:
    numbers = {"epoch_num": step, "step_num": step, "global_batch_size": batch}
    return {
        **{name: np.array(value, np.int64) for name, value in numbers.items()},
        "global_step": np.array([step], np.int32),
        "loss_scale": np.array(1, np.float32),
        "rows": np.array(rows, np.float32),
    }


def _remove_oldest(folder: Path, keep: int) -> None:
    files = sorted(folder.glob("*.safetensors"), key=lambda path: path.stat().st_mtime)
    if len(files) >= keep:
        files[0].chmod(0o200)
        files[0].unlink()
