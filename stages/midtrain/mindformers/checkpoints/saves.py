"""What MindFormers has saved, as its CheckpointMonitor (1.9.0) writes it, and whether a save is whole.

`checkpoint/rank_<r>/<prefix>_rank_<r>-<epoch>_<step of the epoch>.safetensors`. With a sink of one step every step is
an epoch of its own: `-<step>_1`. A rank writes a .tmp, renames it, and then names it in its meta.json; the ranks do not
wait for one another. So a save is whole when the meta.json of every rank has come to it.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages._worker.failures import DataError
from stages._worker.jsonl import write_json
from stages._worker.model.safetensors_file import TensorFile

PREFIX = "midtrain"
CHECKPOINT = "checkpoint"
"""Folder with the saves of the ranks, in `output_dir`."""
STRATEGY = "strategy"
"""Folder with the strategy of every rank, in `output_dir`."""
START = "start"
"""Folder of ours in `output_dir`, with the saves and strategies that an attempt goes on from."""
META = "meta.json"
_NAME = re.compile(rf"^{PREFIX}_rank_0-(\d+)_1\.safetensors$")


@dataclass(kw_only=True, slots=True, frozen=True)
class Save:
    """A whole save."""

    step: int
    """Steps done."""
    files: tuple[Path, ...]
    """One a rank, in their order."""

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(path.stat().st_size for path in self.files)


def save_path(rank: int, step: int) -> Path:
    """File of a rank, below the folder of the saves."""
    return Path(f"rank_{rank}") / f"{PREFIX}_rank_{rank}-{step}_1.safetensors"


def suffix(step: int) -> str:
    """What the names of all files of a step end with, before the format."""
    return f"{step}_1"


def begun_steps(checkpoint: Path) -> list[int]:
    """Steps of which rank 0 has a file, in order; other ranks may lack theirs."""
    names = [_NAME.match(path.name) for path in (checkpoint / "rank_0").glob("*.safetensors")]
    return sorted(int(name.group(1)) for name in names if name)


def read_save(checkpoint: Path, step: int, *, ranks: int, batch: int) -> Save:
    """The save of a step. Raises DataError that says what is missing while it is not whole.

    The files are asked for their position too: as many steps, of as many sequences, as their name says.
    """
    for rank in range(ranks):
        _refuse_not_named(checkpoint / f"rank_{rank}" / META, step)
    files = tuple(checkpoint / save_path(rank, step) for rank in range(ranks))
    for path in files:
        _refuse_another_position(path, {"step_num": step, "global_batch_size": batch})
    return Save(step=step, files=files)


def write_meta(checkpoint: Path, step: int, *, ranks: int) -> None:
    """The meta.json of every rank, for files that were laid there: MindFormers goes on from what they name."""
    for rank in range(ranks):
        meta = {"last_epoch": step, "last_step": 1, "last_ckpt_file": save_path(rank, step).name}
        write_json(checkpoint / f"rank_{rank}" / META, meta)


def strategy_files(output: Path, *, ranks: int) -> list[Path]:
    """Strategies of the ranks: how their tensors were cut. Ready before the first step."""
    paths = [output / STRATEGY / f"ckpt_strategy_rank_{rank}.ckpt" for rank in range(ranks)]
    return [path for path in paths if path.is_file()]


def _refuse_not_named(meta: Path, step: int) -> None:
    try:
        named = json.loads(meta.read_text(encoding="utf-8"))
        reached = int(named["last_epoch"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{meta}: names no save yet ({error})") from error
    if reached < step:
        raise DataError(f"{meta}: names the save of step {reached}, expected {step} or a later one")


def _refuse_another_position(path: Path, expected: dict[str, int]) -> None:
    file = TensorFile(path)
    names = set(file.names())
    for name, value in expected.items():
        seen: Any = file.read(name).item() if name in names else None
        if seen != value:
            raise DataError(f"{path}: {name} is {seen}, expected {value}")
