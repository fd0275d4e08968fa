import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.jobs import CHECKOUT, last_checkpoint, make_job, make_worker, read_events

from stages._worker.artifacts import write_manifest
from stages._worker.failures import DataError, NumericError, ResumeRefused
from stages._worker.job import ResumePoint
from stages._worker.locations import folder_of
from stages._worker.model.safetensors_file import write_tensors
from stages._worker.training.checkpoint import commit_checkpoint, save_checkpoint, steps_in
from stages._worker.training.pruning import remove_unclaimed, stale_steps
from stages._worker.training.resume import load_checkpoint, newest_sound
from stages._worker.worker import Worker

CURSOR = {"row": 16, "ledger": "00", "orderSha256": "ab"}
SETTINGS = {"kind": "midtrain", "options": {"batch": 4}}


def save(worker: Worker, step: int, value: float = 1.0) -> Path:
    tensors = {
        "model": {"model.norm.weight": np.full(4, value, np.float32)},
        "optimizer": {"adam_m.model.norm.weight": np.full(4, step, np.float32)},
    }
    return save_checkpoint(worker, step=step, cursor=CURSOR, settings=SETTINGS, tensors=tensors)


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


def commit_other(worker: Worker, step: int, text: str) -> Path:
    return commit_checkpoint(
        worker,
        step=step,
        cursor=CURSOR,
        settings=SETTINGS,
        write=lambda folder: (folder / "part").write_text(text),
        room=len(text),
        form="other",
    )


def test_a_trainer_goes_on_from_its_own_form_only(worker: Worker) -> None:
    save(worker, 4)
    native = resume_point(worker)
    with pytest.raises(ResumeRefused, match="step 4 holds the files of the trainer native"):
        newest_sound(native, worker, form="other")
    folder = commit_other(worker, 6, "six")
    with pytest.raises(ResumeRefused, match="step 6 holds the files of the trainer other"):
        load_checkpoint(resume_point(worker), worker)
    found = newest_sound(resume_point(worker), worker, form="other")
    assert (found.step, found.cursor, found.folder, found.tensors) == (6, CURSOR, folder, {})
    (folder / "part").write_text("sex")
    with pytest.raises(ResumeRefused, match="step 4"):  # the next sound one, of the other form
        newest_sound(resume_point(worker), worker, form="other")
    assert warnings(worker) == ["checkpoint_damaged"]


def test_what_cannot_be_written_leaves_nothing_of_its_step(worker: Worker) -> None:
    save(worker, 4)

    def broken(folder: Path) -> None:
        (folder / "part").write_text("half")
        raise DataError("the rest is missing")

    with pytest.raises(DataError, match="the rest is missing"):
        commit_checkpoint(
            worker, step=6, cursor=CURSOR, settings=SETTINGS, write=broken, room=4, form="other"
        )
    assert steps_in(worker.job.folder) == [4]
    assert not list(worker.job.folder.glob(".step-*"))


CASES = json.loads((CHECKOUT / "test/fixtures/worker/kept-checkpoints.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", CASES)
def test_which_checkpoints_go(case: dict) -> None:
    # test/records/checkpoints.test.ts reads the same cases.
    assert stale_steps(case["steps"], keep=case["keep"], keep_every=case["keepEvery"]) == case["stale"]


def test_the_last_ones_and_every_nth_stay_and_nothing_half_written_is_left(tmp_path: Path) -> None:
    worker = make_worker("midtrain", tmp_path, checkpoint={"keep": 2, "keepEvery": 4})
    for step in (2, 4, 6, 10, 12, 14):
        save(worker, step)
    worker.close()
    kept = sorted(path.name for path in worker.job.folder.iterdir() if path.is_dir())
    assert kept == ["claims", "step-12", "step-14", "step-4"]
    assert list((worker.job.folder / "claims").iterdir()) == []


def test_what_the_agent_has_claimed_stays(tmp_path: Path) -> None:
    worker = make_worker("midtrain", tmp_path, checkpoint={"keep": 1})
    save(worker, 2)
    claims = worker.job.folder / "claims"
    claims.mkdir()
    (claims / "step-2").symlink_to("agent")
    for step in (4, 6):
        save(worker, step)
    worker.close()
    assert steps_in(worker.job.folder) == [6, 2]
    assert [path.name for path in claims.iterdir()] == ["step-2"]


def test_what_the_agent_has_claimed_counts_among_those_that_stay(tmp_path: Path) -> None:
    # An outage: the agent claims nothing more, for as long as serve is away.
    worker = make_worker("midtrain", tmp_path, checkpoint={"keep": 2})
    claims = worker.job.folder / "claims"
    for step in (2, 4):
        save(worker, step)
        claims.mkdir(exist_ok=True)
        (claims / f"step-{step}").symlink_to("agent")
    for step in (6, 8, 10, 12):
        save(worker, step)
        assert steps_in(worker.job.folder) == [step, 4, 2]
    worker.close()


def test_a_removal_that_was_cut_off_is_done_to_its_end(tmp_path: Path) -> None:
    worker = make_worker("midtrain", tmp_path, checkpoint={"keep": 1})
    save(worker, 2)
    (worker.job.folder / "claims").mkdir()
    (worker.job.folder / "claims" / "step-2").symlink_to("worker")
    save(worker, 4)
    worker.close()
    assert steps_in(worker.job.folder) == [4]


def test_one_that_the_agent_removed_since_it_was_listed_ends_nothing(worker: Worker) -> None:
    root = worker.job.folder
    save(worker, 2)
    save(worker, 4)
    listed = steps_in(root)
    shutil.rmtree(root / "step-2")  # the agent: first the folder, then its claim
    remove_unclaimed(root, listed)
    assert steps_in(root) == [] and list((root / "claims").iterdir()) == []


def test_what_is_not_finite_is_not_committed(worker: Worker) -> None:
    save(worker, 4)
    for value in (float("nan"), float("inf")):
        with pytest.raises(NumericError, match=r"step 8 would save: model\.norm\.weight"):
            save(worker, 8, value=value)
    assert [path.name for path in worker.job.folder.iterdir() if path.is_dir()] == ["step-4"]


def tear(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-4])


def flip(folder: Path) -> None:
    data = bytearray((folder / "optimizer.safetensors").read_bytes())
    data[-1] ^= 0x40
    (folder / "optimizer.safetensors").write_bytes(data)


def unlink(folder: Path) -> None:
    (folder / "manifest.json").unlink()


def rewrite(folder: Path) -> None:
    """Whole in itself, but not what was announced."""
    path = folder / "manifest.json"
    path.write_text(path.read_text(encoding="utf-8").replace("\n", "\n "), encoding="utf-8")


def spoil(folder: Path) -> None:
    """Every hash fits, but a value is none: as if it had been computed that way."""
    spoilt = {"model.norm.weight": np.array([1, np.nan, 1, 1], np.float32)}
    write_tensors(folder / "model.safetensors", spoilt)
    write_manifest(folder, kind="checkpoint", step=8)


HARMS = [tear, flip, unlink, rewrite, spoil]


@pytest.mark.parametrize("harm", HARMS)
def test_a_damaged_checkpoint_falls_back_to_the_one_before(worker: Worker, harm) -> None:
    save(worker, 4)
    newest = save(worker, 8)
    point = resume_point(worker)
    harm(newest)
    assert load_checkpoint(point, worker).step == 4
    assert warnings(worker) == ["checkpoint_damaged", "checkpoint_fallback"]
    told = [event for event in read_events(worker.job.folder) if event["type"] == "warning"]
    assert told[0]["checkpoint"] == point.sha256
    assert "4 committed steps are trained again" in told[1]["message"]


@pytest.fixture
def three(tmp_path: Path) -> Any:
    """Attempts e1 and e2 with a checkpoint each, and e3, whose job names both. Beside e2's lies a stray one."""
    points = []
    for epoch, step in ((1, 4), (2, 8)):
        worker = make_worker("midtrain", tmp_path / f"e{epoch}")
        save(worker, step)
        points.insert(0, last_checkpoint(make_job("midtrain", worker.job.folder)))
        worker.close()
    shutil.copytree(tmp_path / "e2" / "step-8", tmp_path / "e2" / "step-6")
    resume = {**points[0], "older": points[1:]}
    worker = make_worker("midtrain", tmp_path / "e3", resume=resume)
    yield worker
    worker.close()


def test_the_one_before_may_lie_in_the_folder_of_an_earlier_attempt(three: Worker) -> None:
    resume = three.job.resume
    tear(resume.folder)
    assert load_checkpoint(resume, three).step == 4
    assert warnings(three) == ["checkpoint_damaged", "checkpoint_fallback"]


def test_a_folder_that_is_not_here_is_passed_over_but_not_called_damaged(three: Worker) -> None:
    shutil.rmtree(three.job.resume.folder)
    assert load_checkpoint(three.job.resume, three).step == 4
    assert warnings(three) == ["checkpoint_missing", "checkpoint_fallback"]


def test_without_a_sound_one_the_stage_does_not_start_over_in_silence(three: Worker) -> None:
    points = [three.job.resume, *three.job.resume.older]
    for point in points:
        tear(point.folder)
    with pytest.raises(DataError, match=r"no sound checkpoint; looked at .*/e2/step-8, .*/e1/step-4"):
        load_checkpoint(three.job.resume, three)
    assert warnings(three) == ["checkpoint_damaged"] * 2


def test_another_number_of_ranks_is_told(worker: Worker, tmp_path: Path) -> None:
    save(worker, 4)
    other = make_worker("midtrain", tmp_path / "other", resources={"nodes": 2, "npus": 8})
    point = resume_point(worker)
    assert load_checkpoint(point, other).step == 4
    other.close()
    assert warnings(other) == ["ranks_changed"]
