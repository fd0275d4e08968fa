"""A disk that is full, for real: before a checkpoint, in the middle of one, and under the event file."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.jobs import last_checkpoint, make_job, make_worker, read_events
from support.tmpfs import small_disk

from stages._worker.events import EventFile
from stages._worker.failures import DiskFull, as_failure
from stages._worker.job import parse_job
from stages._worker.training.checkpoint import save_checkpoint
from stages._worker.training.resume import load_checkpoint
from stages._worker.worker import Worker

MIB = 1 << 20


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk", mib=24) as folder:
        yield folder


def fill(disk: Path, *, leave: int) -> Path:
    size = shutil.disk_usage(disk).free - leave
    path = disk / f"filler-{leave}"
    with path.open("wb") as file:
        file.write(bytes(size))
    return path


def group(mib: int) -> dict[str, np.ndarray]:
    return {"weight": np.ones(mib * MIB // 4, np.float32)}


def save(worker: Worker, step: int, tensors: Any) -> Path:
    return save_checkpoint(worker, step=step, cursor={"row": step}, settings={}, tensors=tensors)


def folders(worker: Worker) -> list[str]:
    return sorted(path.name for path in worker.job.folder.iterdir() if path.is_dir())


def test_a_full_disk_is_an_error_before_the_write_that_names_need_and_room(disk: Path) -> None:
    worker = make_worker("midtrain", disk / "e1")
    save(worker, 1, {"model": group(4)})
    fill(disk, leave=6 * MIB)
    with pytest.raises(
        DiskFull, match=r"step 2 takes 4\.1 MiB .* has room for 6\.0 MiB; nothing was written"
    ):
        save(worker, 2, {"model": group(4)})
    worker.close()
    assert folders(worker) == ["step-1"]
    assert [event["step"] for event in read_events(disk / "e1") if event["type"] == "checkpoint"] == [1]


class FillsTheDisk(dict):
    """Tensors that fit when the room is asked for; another program takes it before they are written."""

    def __init__(self, disk: Path, **groups: Any) -> None:
        super().__init__(groups)
        self.disk = disk
        self.filled = False

    def items(self) -> Any:
        if not self.filled:
            fill(self.disk, leave=3 * MIB)
        self.filled = True
        return super().items()


def test_a_disk_that_fills_in_the_middle_leaves_no_torn_folder_and_gives_its_room_back(disk: Path) -> None:
    worker = make_worker("midtrain", disk / "e1")
    save(worker, 1, {"model": group(2)})
    tensors = FillsTheDisk(disk, model=group(2), optimizer=group(4))
    with pytest.raises(OSError) as failure:
        save(worker, 2, tensors)
    assert as_failure(failure.value).reason == "disk_full"
    assert tensors.filled
    assert folders(worker) == ["step-1"]
    assert shutil.disk_usage(disk).free >= 2.9 * MIB
    point = parse_job(
        make_job("midtrain", disk / "e2", resume=last_checkpoint(make_job("midtrain", disk / "e1")))
    ).resume
    assert load_checkpoint(point, worker).step == 1
    worker.close()


def test_an_event_that_does_not_fit_is_taken_back_and_the_next_one_is_whole(disk: Path) -> None:
    path = disk / "e1" / "events.jsonl"
    events = EventFile(path)
    events.write("warning", message="before")
    filler = fill(disk, leave=0)
    with pytest.raises(OSError, match="No space"):
        for _ in range(3):
            events.write("warning", message="x" * 10_000)
    size = path.stat().st_size
    assert path.read_bytes().endswith(b"\n")
    filler.unlink()
    events.write("warning", message="after", durable=True)
    events.close()
    assert path.stat().st_size > size
    messages = [event["message"] for event in read_events(disk / "e1")]
    assert messages[0] == "before" and messages[-1] == "after"
    assert all(message in ("before", "after", "x" * 10_000) for message in messages)
