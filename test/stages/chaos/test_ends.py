"""How a real training ends: forked, refused, stopped where nothing is to be saved, or with numbers that are none."""

import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from chaos.chain import Chain
from chaos.trainings import MIDTRAIN, RATES, STEPS, MakeJob, make_training
from support.jobs import last_checkpoint, read_events, result_of, run_stage, signal_when, stderr_of
from support.order import write_order

from stages._worker.model.safetensors_file import TensorFile
from stages._worker.training.ledger import extend, fork

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("ends")


@pytest.fixture(scope="module")
def make_job(root: Path) -> MakeJob:
    return make_training("midtrain", root)


@pytest.fixture(scope="module")
def alone(root: Path, make_job: MakeJob) -> Chain:
    chain = Chain(make_job, root / "alone")
    assert chain.attempt(None)
    return chain


def with_batch(job: dict[str, Any], batch: int, rates: list[float] = RATES) -> dict[str, Any]:
    """The same training with another batch, and so with another order."""
    packed = next(item["uri"] for item in job["inputs"] if item["kind"] == "packed")
    folder = Path(packed.removeprefix("file://"))
    write_order(Path(job["folder"]) / "order", folder, batch=batch, rates=rates, start=5)
    job["with"] = {**MIDTRAIN, "batch": batch, "steps": len(rates)}
    return job


def warnings(job: dict[str, Any]) -> list[dict[str, Any]]:
    return [event for event in read_events(Path(job["folder"])) if event["type"] == "warning"]


def point(chain: Chain, step: int) -> dict[str, Any]:
    """A checkpoint of the run that was left alone, which keeps its last two."""
    return next(found for found in chain.committed() if found["step"] == step)


def test_another_batch_is_refused_and_every_difference_is_named(
    root: Path, make_job: MakeJob, alone: Chain
) -> None:
    job = with_batch(make_job(root / "refused", resume=point(alone, 56)), 2)
    assert run_stage(job) == 3
    result = result_of(job)
    assert result["reason"] == "resume_refused"
    for part in ("batch was 4 and is 2", "options.batch was 4 and is 2", "orderSha256 was"):
        assert part in result["message"]
    assert "legalone fork" in result["hint"]


def test_a_fork_with_another_batch_goes_on_and_its_own_resume_is_proven(
    root: Path, make_job: MakeJob, alone: Chain
) -> None:
    start = {**point(alone, 56), "fork": True}
    longer = [*RATES, *([1e-3] * 12)]
    schedule = {"warmup": 5, "decay": 0, "max": 1e-2, "min": 1e-3}

    def forked(name: str, resume: dict[str, Any]) -> dict[str, Any]:
        job = make_job(root / name, resume=resume, checkpoint={"every": 4, "keep": 9})
        rates = [min(1e-2, 1e-2 * (step + 1) / 5) for step in range(len(longer))]
        with_batch(job, 2, rates)
        job["with"] = {**job["with"], "schedule": schedule}
        return job

    whole = forked("fork", start)
    assert run_stage(whole) == 0, stderr_of(whole)
    told = warnings(whole)
    assert [event["code"] for event in told] == ["forked"]
    assert "options.batch was 4 and is 2" in told[0]["message"]
    first, *_ = [event for event in read_events(root / "fork") if event["type"] == "checkpoint"]
    assert first["step"] == 60 and first["cursor"]["row"] == 56 * 4 + 4 * 2
    assert first["cursor"]["forked"]["step"] == 56

    killed = forked("fork-killed", start)
    code = signal_when(
        killed, signal.SIGKILL, lambda events: any(event["type"] == "checkpoint" for event in events)
    )
    assert code == -signal.SIGKILL
    resumed = forked("fork-resumed", last_checkpoint(killed))
    assert run_stage(resumed) == 0, stderr_of(resumed)
    assert warnings(resumed) == []
    assert result_of(resumed)["summary"]["ledger"] == result_of(whole)["summary"]["ledger"]
    assert result_of(resumed)["metrics"] == result_of(whole)["metrics"]
    rows = np.fromfile(root / "fork" / "order" / "order.rows.bin", "<u4").reshape(-1, 2)
    head = fork(bytes.fromhex(first["cursor"]["forked"]["ledger"]))
    for step in rows[56:]:
        head = extend(head, step)
    assert head.hex() == result_of(whole)["summary"]["ledger"]


def test_a_fork_beyond_the_new_schedule_is_refused(root: Path, make_job: MakeJob, alone: Chain) -> None:
    job = make_job(root / "beyond", resume={**point(alone, 56), "fork": True})
    with_batch(job, 4, RATES[:40])
    job["with"] = {**job["with"], "schedule": {"warmup": 5, "decay": 0, "max": 1e-2, "min": 1e-3}}
    assert run_stage(job) == 3
    assert "56 steps done, this training has 40" in result_of(job)["message"]


def test_a_loss_that_is_no_number_ends_as_nan_loss_and_what_is_committed_is_finite(
    root: Path, make_job: MakeJob
) -> None:
    job = make_job(root / "nan", checkpoint={"every": 1, "keep": 99})
    rates = [1e30] * STEPS
    with_batch(job, 4, rates)
    job["with"] = {**job["with"], "schedule": {"warmup": 0, "decay": 0, "max": 1e30, "min": 1e-3}}
    assert run_stage(job) == 76, stderr_of(job)
    result = result_of(job)
    assert (result["status"], result["reason"]) == ("failed", "nan_loss")
    for event in read_events(root / "nan"):
        if event["type"] == "checkpoint":
            for name in ("model", "optimizer"):
                file = TensorFile(Path(event["path"]) / f"{name}.safetensors")
                assert all(np.isfinite(file.read(tensor)).all() for tensor in file.names())


@pytest.mark.parametrize("phase", ["loading", "compiling"])
def test_sigterm_where_nothing_is_to_be_saved_ends_it_at_once(
    root: Path, make_job: MakeJob, phase: str
) -> None:
    job = make_job(root / f"stopped-{phase}")

    def is_there(events: list[dict[str, Any]]) -> bool:
        return [event["phase"] for event in events if event["type"] == "phase"][-1:] == [phase]

    assert signal_when(job, signal.SIGTERM, is_there) == 75, stderr_of(job)
    result = result_of(job)
    assert (result["status"], result["reason"]) == ("stopped", "stopped")
    # A stage quick enough to come to its next look at `stopping` says it itself.
    assert "SIGTERM" in result["message"]
