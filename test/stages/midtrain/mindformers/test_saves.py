"""Which saves of MindFormers are whole, and how they become checkpoints; written by the stand-in's writer."""

import json
import threading
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from support.jobs import read_events
from support.mindformers_jobs import BATCH, mindformers_job
from support.stand_in_saves import save, save_half
from support.tiny_model import tiny_model_folder
from support.tmpfs import small_disk

from stages._worker.artifacts import verify
from stages._worker.events import EventFile
from stages._worker.failures import DataError, DiskFull, NumericError, WorkerFailure
from stages._worker.job import parse_job
from stages._worker.training.ledger import Ledger
from stages._worker.worker import Worker
from stages.midtrain.mindformers.checkpoints.commits import Commits
from stages.midtrain.mindformers.checkpoints.placing import place, room_for
from stages.midtrain.mindformers.checkpoints.saves import begun_steps, read_save, write_meta
from stages.midtrain.mindformers.planning import plan_training

RANKS = 2
MONITOR = {"prefix": "midtrain", "keep_checkpoint_max": 99}


def saved(output: Path, step: int, *, ranks: int = RANKS, rows: int = 8) -> None:
    for rank in range(ranks):
        save(output, MONITOR, rank=rank, step=step, batch=BATCH, rows=list(range(rows)))


def change(path: Path, **tensors: np.ndarray) -> None:
    path.chmod(0o600)
    save_file(load_file(path) | tensors, path)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model_folder(tmp_path_factory.mktemp("base"))


def test_a_save_is_whole_when_every_rank_has_named_it(tmp_path: Path) -> None:
    checkpoint = tmp_path / "checkpoint"
    assert begun_steps(checkpoint) == []
    save(tmp_path, MONITOR, rank=0, step=2, batch=BATCH, rows=[1])
    assert begun_steps(checkpoint) == [2]
    with pytest.raises(DataError, match=r"rank_1/meta\.json: names no save yet"):
        read_save(checkpoint, 2, ranks=RANKS, batch=BATCH)
    save(tmp_path, MONITOR, rank=1, step=2, batch=BATCH, rows=[1])
    whole = read_save(checkpoint, 2, ranks=RANKS, batch=BATCH)
    assert [path.name for path in whole.files] == [f"midtrain_rank_{rank}-2_1.safetensors" for rank in (0, 1)]
    assert whole.size == sum(path.stat().st_size for path in whole.files)
    save(tmp_path, MONITOR, rank=0, step=4, batch=BATCH, rows=[1])
    save_half(tmp_path, MONITOR, rank=1, step=4, batch=BATCH, rows=[1])
    with pytest.raises(DataError, match="names the save of step 2, expected 4"):
        read_save(checkpoint, 4, ranks=RANKS, batch=BATCH)
    assert read_save(checkpoint, 2, ranks=RANKS, batch=BATCH) == whole


def test_a_file_that_is_cut_off_or_at_another_position_makes_no_save(tmp_path: Path) -> None:
    checkpoint = tmp_path / "checkpoint"
    saved(tmp_path, 2)
    file = checkpoint / "rank_1" / "midtrain_rank_1-2_1.safetensors"
    data = file.read_bytes()
    file.chmod(0o600)
    file.write_bytes(data[:-4])
    with pytest.raises(DataError, match="bytes of data, saw"):
        read_save(checkpoint, 2, ranks=RANKS, batch=BATCH)
    for name, says in (("step_num", "step_num is 7, expected 2"), ("global_batch_size", "is 7, expected 4")):
        file.write_bytes(data)
        change(file, **{name: np.array(7, np.int64)})
        with pytest.raises(DataError, match=says):
            read_save(checkpoint, 2, ranks=RANKS, batch=BATCH)


def test_what_is_laid_is_named_for_every_rank(tmp_path: Path) -> None:
    saved(tmp_path, 2)
    saved(tmp_path, 4)
    laid = tmp_path / "laid"
    for path in read_save(tmp_path / "checkpoint", 2, ranks=RANKS, batch=BATCH).files:
        place(path, laid / path.relative_to(tmp_path / "checkpoint"))
    write_meta(laid, 2, ranks=RANKS)
    assert read_save(laid, 2, ranks=RANKS, batch=BATCH).step == 2
    named = json.loads((laid / "rank_1" / "meta.json").read_text())
    assert named == {"last_epoch": 2, "last_step": 1, "last_ckpt_file": "midtrain_rank_1-2_1.safetensors"}


def test_links_take_no_room_and_another_disk_is_copied_to(tmp_path: Path) -> None:
    saved(tmp_path, 2)
    files = read_save(tmp_path / "checkpoint", 2, ranks=RANKS, batch=BATCH).files
    place(files[0], tmp_path / "same" / "file")
    assert room_for(files, tmp_path) == 0 and (tmp_path / "same" / "file").samefile(files[0])
    with small_disk(tmp_path / "disk", mib=4) as disk:
        place(files[0], disk / "folder" / "file")
        assert room_for(files, disk) == sum(path.stat().st_size for path in files)
        assert (disk / "folder" / "file").read_bytes() == files[0].read_bytes()


class Taking:
    """Commits over an output folder, for a job in `folder` whose order has six steps."""

    def __init__(self, folder: Path, base: Path, **fields: dict) -> None:
        job = mindformers_job(folder, base, **fields)
        self.folder, self.output = folder, folder / "mindformers"
        self.worker = Worker(parse_job(job), EventFile(Path(job["events"])), threading.Event())
        training, self.order = plan_training(self.worker.job)
        self.commits = Commits(
            self.worker,
            output=self.output,
            layout=training.layout,
            order=self.order,
            settings={"batch": BATCH},
            ledger=Ledger(),
            done=0,
        )

    def close(self) -> None:
        self.commits.close()
        self.worker.close()

    def kept(self) -> list[int]:
        return sorted(int(path.name[5:]) for path in self.folder.glob("step-*"))

    def announced(self) -> list[int]:
        return [event["step"] for event in read_events(self.folder) if event["type"] == "checkpoint"]


def test_saves_are_taken_in_order_and_kept_as_the_job_says(tmp_path: Path, base: Path) -> None:
    taking = Taking(tmp_path, base, checkpoint={"every": 1, "keep": 1, "keepEvery": 2})
    for step in (1, 2, 3):
        saved(taking.output, step)
    strategy = taking.output / "strategy" / "ckpt_strategy_rank_1.ckpt"
    strategy.parent.mkdir()
    strategy.write_bytes(b"how it was cut")
    saved(taking.output, 4, ranks=1)
    taking.commits.finish()
    taking.close()
    assert taking.announced() == [1, 2, 3] and taking.kept() == [2, 3] and taking.commits.done == 3
    ledger = Ledger()
    for step in range(2):
        ledger.consume(taking.order.rows(step))
    state = json.loads((tmp_path / "step-2" / "state.json").read_text())
    assert state["cursor"]["ledger"] == ledger.head.hex() and state["settings"] == {"batch": BATCH}
    verify(tmp_path / "step-2")
    kept = tmp_path / "step-2" / "rank_1" / "midtrain_rank_1-2_1.safetensors"
    assert kept.stat().st_mode & 0o777 == 0o644
    assert (tmp_path / "step-2" / "strategy" / strategy.name).samefile(strategy)
    told = [event["message"] for event in read_events(tmp_path) if event["type"] == "warning"]
    assert len(told) == 3 and "has the strategies of 1 of 2 ranks" in told[0]
    # What it is at and its newest whole one stay with MindFormers.
    assert begun_steps(taking.output / "checkpoint") == [3, 4]
    with pytest.raises(WorkerFailure, match="its save of the last step is not whole"):
        taking.commits.require_last()


def test_a_value_that_is_not_finite_is_not_committed(tmp_path: Path, base: Path) -> None:
    taking = Taking(tmp_path, base, checkpoint={"every": 2})
    saved(taking.output, 2)
    saved(taking.output, 4)
    bad = taking.output / "checkpoint" / "rank_1" / "midtrain_rank_1-4_1.safetensors"
    change(bad, weight=np.array([1, np.nan], np.float32))
    with pytest.raises(NumericError, match=r"rank_1-4_1\.safetensors: weight holds a value"):
        taking.commits.finish()
    taking.commits.finish()  # after an error nothing is tried again
    taking.close()
    assert taking.announced() == [2] and taking.kept() == [2]


def test_a_job_without_checkpoints_commits_none(tmp_path: Path, base: Path) -> None:
    taking = Taking(tmp_path, base)
    saved(taking.output, 6)
    taking.commits.finish()
    taking.commits.require_last()
    taking.close()
    assert taking.announced() == [] and taking.kept() == []


def test_the_next_save_is_given_up_before_it_finds_no_room(tmp_path: Path, base: Path) -> None:
    with small_disk(tmp_path / "disk", mib=16) as disk:
        taking = Taking(disk / "job", base, checkpoint={"every": 2})
        saved(taking.output, 2, rows=1 << 20)
        with pytest.raises(DiskFull, match="the next save of MindFormers takes"):
            taking.commits.finish()
        taking.close()
        assert taking.kept() == [2]
        verify(disk / "job" / "step-2")
