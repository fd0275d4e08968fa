from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.jobs import last_checkpoint, make_job, make_worker, read_events

from stages._worker.failures import DataError, ResumeRefused
from stages._worker.job import ResumePoint
from stages._worker.locations import folder_of
from stages._worker.training.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from stages._worker.training.trainer import refuse_changes
from stages._worker.worker import Worker

CURSOR = {"row": 16, "ledger": "00", "orderSha256": "ab"}
SETTINGS = {"kind": "midtrain", "options": {"batch": 4}}


def save(worker: Worker, step: int, value: float = 1.0, keep: int = 3) -> Path:
    tensors = {
        "model": {"model.norm.weight": np.full(4, value, np.float32)},
        "optimizer": {"adam_m.model.norm.weight": np.full(4, step, np.float32)},
    }
    return save_checkpoint(worker, step=step, cursor=CURSOR, settings=SETTINGS, tensors=tensors, keep=keep)


@pytest.fixture
def worker(tmp_path: Path) -> Any:
    worker = make_worker("midtrain", tmp_path)
    yield worker
    worker.close()


def resume_point(worker: Worker) -> ResumePoint:
    found = last_checkpoint(make_job("midtrain", worker.job.folder))
    return ResumePoint(folder=folder_of(found["uri"]), step=found["step"], sha256=found["sha256"])


def warnings(worker: Worker) -> list[str]:
    return [event["code"] for event in read_events(worker.job.folder) if event["type"] == "warning"]


def test_what_was_saved_is_loaded(worker: Worker) -> None:
    save(worker, 4)
    found = load_checkpoint(resume_point(worker), worker)
    assert (found.step, found.cursor, found.settings) == (4, CURSOR, SETTINGS)
    assert found.tensors["optimizer"]["adam_m.model.norm.weight"].tolist() == [4] * 4
    assert found.environment["threads"] >= 1 and "mindspore" in found.environment["versions"]
    assert warnings(worker) == []


def test_the_last_ones_are_kept_and_nothing_half_written_is_left(worker: Worker) -> None:
    for step in (2, 4, 10, 12):
        save(worker, step, keep=2)
    assert sorted(path.name for path in worker.job.folder.iterdir() if path.is_dir()) == [
        "step-10",
        "step-12",
    ]


def tear(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-4])


def flip(folder: Path) -> None:
    data = bytearray((folder / "optimizer.safetensors").read_bytes())
    data[-1] ^= 0x40
    (folder / "optimizer.safetensors").write_bytes(data)


@pytest.mark.parametrize(
    "harm", [tear, flip, lambda folder: (folder / "manifest.json").unlink(), lambda folder: rewrite(folder)]
)
def test_a_damaged_checkpoint_falls_back_to_the_one_before(worker: Worker, harm) -> None:
    save(worker, 4)
    newest = save(worker, 8)
    point = resume_point(worker)
    harm(newest)
    assert load_checkpoint(point, worker).step == 4
    assert warnings(worker) == ["checkpoint_damaged", "checkpoint_fallback"]


def rewrite(folder: Path) -> None:
    """Whole in itself, but not what was announced."""
    path = folder / "manifest.json"
    path.write_text(path.read_text(encoding="utf-8").replace("\n", "\n "), encoding="utf-8")


def test_a_checkpoint_with_nan_is_not_gone_on_from(worker: Worker) -> None:
    save(worker, 4)
    save(worker, 8, value=float("nan"))
    assert load_checkpoint(resume_point(worker), worker).step == 4


def test_without_a_sound_one_the_stage_does_not_start_over_in_silence(worker: Worker) -> None:
    path = save(worker, 4)
    point = resume_point(worker)
    tear(path)
    with pytest.raises(DataError, match="no sound checkpoint"):
        load_checkpoint(point, worker)


def checkpoint(**changes: Any) -> Checkpoint:
    fields = {"step": 4, "cursor": CURSOR, "settings": SETTINGS, "environment": {}, "tensors": {}}
    return Checkpoint(**fields | changes)


def test_what_a_resume_changes_is_named() -> None:
    refuse_changes(checkpoint(), SETTINGS, order_sha256="ab")
    with pytest.raises(ResumeRefused, match=r"options was \{'batch': 4\} and is \{'batch': 8\}"):
        refuse_changes(checkpoint(), {**SETTINGS, "options": {"batch": 8}}, order_sha256="ab")
    with pytest.raises(ResumeRefused, match="orderSha256 was ab and is cd"):
        refuse_changes(checkpoint(), SETTINGS, order_sha256="cd")
