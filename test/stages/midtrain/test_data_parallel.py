"""Two processes that share a batch train as one process does."""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from chaos.trainings import MIDTRAIN, MakeJob, make_training
from support.jobs import last_checkpoint, read_events, result_of, run_stage, signal_when, start, stderr_of
from support.order import write_order
from support.processes import has_ended, naming, wait_until

from stages._worker.model.tensor_folder import FolderTensors
from stages._worker.training.schedule import Schedule

STEPS = 24
TRAINER = {"micro_batch": None, "recompute": False}


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., dict[str, Any]]:
    root = tmp_path_factory.mktemp("midtrain")
    training: MakeJob = make_training("midtrain", root)

    def job(name: str, processes: int, **fields: Any) -> dict[str, Any]:
        options = {
            **{**MIDTRAIN, "steps": STEPS, "log_every": 1},
            "trainer": {**TRAINER, "processes": processes},
        }
        made = training(root / name, **{"with": options, **fields})
        schedule = Schedule(steps=STEPS, **MIDTRAIN["schedule"])
        rates = [schedule.learning_rate(step) for step in range(STEPS)]
        write_order(root / name / "order", root / "packed", batch=4, rates=rates)
        return made

    return job


@pytest.fixture(scope="module")
def alone(make: Callable[..., dict[str, Any]]) -> dict[str, Any]:
    job = make("alone", 1)
    assert run_stage(job) == 0, stderr_of(job)
    return job


def metrics(job: dict[str, Any], name: str) -> dict[int, float]:
    events = read_events(Path(job["folder"]))
    return {e["step"]: e["value"] for e in events if e["type"] == "metric" and e["name"] == name}


def logs(job: dict[str, Any]) -> str:
    texts = [path.read_text(errors="replace")[-3000:] for path in Path(job["folder"]).glob("ranks/*.log")]
    return "\n".join([stderr_of(job), *texts])


def ranks_of(job: dict[str, Any]) -> list[int]:
    return [int(path.read_text()) for path in Path(job["folder"]).glob("ranks/*.pid")]


def assert_all_gone(pids: list[int]) -> None:
    assert len(pids) == 3
    wait_until(lambda: all(map(has_ended, pids)))


def is_at_step_3(events: list[dict[str, Any]]) -> bool:
    return any(e["type"] == "progress" and e["step"] >= 3 for e in events)


def start_until_step_3(job: dict[str, Any]) -> subprocess.Popen[bytes]:
    process = start(job)
    deadline = time.monotonic() + 240
    while not is_at_step_3(read_events(Path(job["folder"]))):
        assert process.poll() is None and time.monotonic() < deadline, logs(job)
        time.sleep(0.05)
    return process


def test_the_losses_and_the_model_are_those_of_one_process(
    make: Callable[..., dict[str, Any]], alone: dict[str, Any]
) -> None:
    job = make("two", 2)
    assert run_stage(job) == 0, logs(job)
    expected, seen = metrics(alone, "loss"), metrics(job, "loss")
    assert len(seen) == STEPS
    for step in range(1, 21):
        assert seen[step] == pytest.approx(expected[step], rel=1e-5), step
    for name in ("loss/general.low", "loss/legal.low"):
        theirs = metrics(alone, name)
        assert [metrics(job, name)[s] for s in range(1, 21) if s in theirs] == pytest.approx(
            [theirs[s] for s in range(1, 21) if s in theirs], rel=1e-4
        )
    ours, one = result_of(job), result_of(alone)
    assert ours["summary"] == one["summary"]
    assert ours["metrics"]["legal_ppl"] == pytest.approx(one["metrics"]["legal_ppl"], rel=1e-2)
    folder = Path(job["output"]) / "model"
    assert set(FolderTensors(folder)) == set(FolderTensors(Path(alone["output"]) / "model"))
    assert_all_gone(ranks_of(job))


@pytest.mark.long
def test_stopped_and_gone_on_with_one_process(
    make: Callable[..., dict[str, Any]], alone: dict[str, Any]
) -> None:
    job = make("stopped", 2)
    assert signal_when(job, signal.SIGTERM, is_at_step_3) == 75, logs(job)
    assert "checkpoint saved" in result_of(job)["message"]
    assert_all_gone(ranks_of(job))
    again = make("again", 1, resume=last_checkpoint(job))
    assert run_stage(again) == 0, stderr_of(again)
    assert [e["code"] for e in read_events(Path(again["folder"])) if e["type"] == "warning"] == [
        "ranks_changed"
    ]
    assert result_of(again)["summary"] == result_of(alone)["summary"]


def test_nothing_outlives_an_attempt_that_was_killed(make: Callable[..., dict[str, Any]]) -> None:
    job = make("killed", 2)
    process = start_until_step_3(job)
    pids = ranks_of(job)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert_all_gone(pids)
    wait_until(lambda: naming(Path(job["folder"]) / "ranks") == [])


@pytest.mark.long
def test_a_rank_that_is_lost_ends_the_attempt(make: Callable[..., dict[str, Any]]) -> None:
    job = make("lost", 2)
    process = start_until_step_3(job)
    os.kill(int((Path(job["folder"]) / "ranks" / "rank-1.pid").read_text()), signal.SIGKILL)
    assert process.wait(timeout=120) == 70
    assert "a rank was lost" in result_of(job)["message"]
    assert_all_gone(ranks_of(job))


def test_a_batch_that_does_not_divide_is_refused(make: Callable[..., dict[str, Any]]) -> None:
    job = make("odd", 3)
    assert run_stage(job) == 64, logs(job)
    assert "batch 4 does not divide by 3 processes" in result_of(job)["message"]
