"""Checkpoints while MindFormers trains, and going on from them: the stage as a process, with a stand-in for msrun that
writes what MindFormers 1.9.0 writes. Its weights are the rows it has consumed, so what was lost or repeated shows."""

import json
import shutil
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.jobs import last_checkpoint, read_events, result_of, run_stage, signal_when
from support.mindformers_jobs import BATCH, LENGTH, SCHEDULE, STEPS, mindformers_job
from support.processes import naming, wait_until
from support.stand_in_mindformers import stand_in_node
from support.tiny_model import tiny_model_folder

from stages._worker.events import EventFile
from stages._worker.failures import DataError, ResumeRefused
from stages._worker.job import parse_job
from stages._worker.training.ledger import Ledger, fork
from stages._worker.training.trainer import identity_of
from stages._worker.worker import Worker
from stages._worker.yaml_file import read_yaml
from stages.midtrain.mindformers.checkpoints.saves import read_save
from stages.midtrain.mindformers.checkpoints.starting import Start, start_at
from stages.midtrain.mindformers.planning import plan_training

EVERY_TWO = {"every": 2, "keep": 3}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model_folder(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory, base: Path) -> Iterator[dict[str, Any]]:
    """A job that `kill -9` ended after step 4, with checkpoints of the steps 2 and 4."""
    folder = tmp_path_factory.mktemp("killed")
    job = mindformers_job(folder / "job", base, checkpoint=EVERY_TWO)
    with pytest.MonkeyPatch.context() as monkeypatch:
        stand_in_node(folder / "node", base, monkeypatch, ending="waits")
        assert signal_when(job, signal.SIGKILL, lambda events: 4 in steps_of(events)) == -signal.SIGKILL
    yield job


def steps_of(events: list[dict[str, Any]]) -> list[int]:
    return [event["step"] for event in events if event["type"] == "checkpoint"]


def warnings(folder: Path) -> list[str]:
    return [event.get("code") for event in read_events(folder) if event["type"] == "warning"]


def ledger_of(folder: Path, steps: int) -> Ledger:
    """The ledger after `steps` steps of the order."""
    ledger, rows = Ledger(), rows_of(folder)
    for number in range(steps):
        ledger.consume(np.array(rows[number * BATCH : (number + 1) * BATCH]))
    return ledger


def rows_of(folder: Path) -> list[int]:
    return np.fromfile(folder / "order" / "order.rows.bin", "<u4").tolist()


def consumed(folder: Path) -> list[int]:
    """Rows that the weights of the finished training have seen, in order."""
    return json.loads((folder / "mindformers" / "merged" / "rows.json").read_text())


def going_on(killed: dict[str, Any], folder: Path, base: Path, **fields: Any) -> dict[str, Any]:
    resume = last_checkpoint(killed) | fields.pop("resume", {})
    return mindformers_job(folder, base, checkpoint=EVERY_TWO, resume=resume, **fields)


def start_of(job: dict[str, Any]) -> Start:
    """Where a job begins, without what comes after it."""
    folder = Path(job["folder"])
    worker = Worker(parse_job(job), EventFile(Path(job["events"])), threading.Event())
    try:
        training, order = plan_training(worker.job)
        length = training.layout.sequence_length
        return start_at(
            worker,
            worker.job.resume,
            layout=training.layout,
            order=order,
            settings=identity_of(worker.job, steps=order.steps, batch=order.batch, sequenceLength=length),
            folder=folder / "start",
        )
    finally:
        worker.close()


def test_no_rank_outlives_an_attempt_that_was_killed(killed: dict[str, Any]) -> None:
    wait_until(lambda: naming(Path(killed["folder"])) == [])


def test_a_checkpoint_holds_every_rank_its_strategy_and_the_proof(killed: dict[str, Any]) -> None:
    folder = Path(killed["folder"])
    step = folder / "step-4"
    assert sorted(str(path.relative_to(step)) for path in step.rglob("*") if path.is_file()) == [
        "manifest.json",
        "rank_0/midtrain_rank_0-4_1.safetensors",
        "rank_1/midtrain_rank_1-4_1.safetensors",
        "state.json",
        "strategy/ckpt_strategy_rank_0.ckpt",
        "strategy/ckpt_strategy_rank_1.ckpt",
    ]
    state = json.loads((step / "state.json").read_text())
    assert state["cursor"]["row"] == 4 * BATCH
    assert state["cursor"]["ledger"] == ledger_of(folder, 4).head.hex()
    own = sorted(path.name for path in (folder / "mindformers" / "checkpoint").rglob("*.safetensors"))
    assert own == ["midtrain_rank_0-4_1.safetensors", "midtrain_rank_1-4_1.safetensors"]


def test_an_attempt_goes_on_and_consumes_every_row_once(
    tmp_path: Path, base: Path, killed: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in_node(tmp_path / "node", base, monkeypatch)
    job = going_on(killed, tmp_path / "job", base)
    assert run_stage(job) == 0
    assert consumed(tmp_path / "job") == rows_of(tmp_path / "job")
    events = read_events(tmp_path / "job")
    assert [event["step"] for event in events if event["type"] == "progress"] == [4, 5, 6]
    assert steps_of(events) == [6] and warnings(tmp_path / "job") == []
    written = read_yaml(tmp_path / "job" / "train.yaml")
    assert (written["resume_training"], written["auto_trans_ckpt"]) == (True, False)
    assert written["load_checkpoint"] == str(tmp_path / "job" / "mindformers" / "start" / "checkpoint")
    assert (written["ignore_data_skip"], written["data_skip_steps"]) == (False, 4)
    result = result_of(job)
    assert result["summary"]["ledger"] == ledger_of(tmp_path / "job", STEPS).head.hex()
    metrics = result["metrics"]
    assert {"legal_ppl", "legal_ppl_lo", "general_ppl_hi", "heldout_loss_after", "tokens"} <= metrics.keys()
    # The stand-in hands the base weights over, so both measurements are of the same model.
    for name in ("legal_ppl", "general_ppl"):
        assert metrics[name] == pytest.approx(metrics[f"{name}_before"], rel=1e-6)
    assert metrics["tokens"] == STEPS * BATCH * LENGTH


def test_a_save_that_is_half_written_is_not_taken(
    tmp_path: Path, base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in_node(tmp_path / "node", base, monkeypatch, ending="half")
    job = mindformers_job(tmp_path / "job", base, checkpoint=EVERY_TWO)
    own = tmp_path / "job" / "mindformers" / "checkpoint"
    half = lambda _: bool(list(own.glob("rank_1/*-4_1.tmp")))  # noqa: E731
    assert signal_when(job, signal.SIGTERM, half) == 75
    assert (own / "rank_0" / "midtrain_rank_0-4_1.safetensors").is_file()
    assert steps_of(read_events(tmp_path / "job")) == [2]
    assert not list((tmp_path / "job").glob("*step-4*"))
    assert result_of(job)["message"].endswith("the last checkpoint is that of step 2")
    with pytest.raises(DataError, match="names the save of step 2, expected 4"):
        read_save(own, 4, ranks=2, batch=BATCH)


def test_a_broken_one_gives_way_to_the_one_before(
    tmp_path: Path, base: Path, killed: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEGALONE_DEVICE", "ascend")
    ended = Path(killed["folder"])
    for step in (2, 4):
        shutil.copytree(ended / f"step-{step}", tmp_path / f"step-{step}")
    file = tmp_path / "step-4" / "rank_1" / "midtrain_rank_1-4_1.safetensors"
    file.chmod(0o600)
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    job = going_on(killed, tmp_path / "job", base, resume={"uri": (tmp_path / "step-4").as_uri()})
    start = start_of(job)
    assert (start.step, start.ledger.row) == (2, 2 * BATCH)
    assert warnings(tmp_path / "job") == ["checkpoint_damaged", "checkpoint_fallback"]
    read_save(tmp_path / "job" / "start" / "checkpoint", 2, ranks=2, batch=BATCH)


@pytest.mark.parametrize("forked", [False, True])
@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"resources": {"nodes": 1, "npus": 4}}, "npus was 2 and is 4; data was 1 and is 2"),
        (
            {"with": {"parallel": {"tensor": 2, "pipeline": 1, "micro_batches": 2}}},
            "tensor was 1 and is 2; pipeline was 2 and is 1",
        ),
        ({"with": {"batch": 8}}, "batches of 4 sequences, this training has 8"),
    ],
)
def test_another_layout_is_refused_with_what_to_do(
    tmp_path: Path, base: Path, killed: dict[str, Any], fields: dict, says: str, forked: bool
) -> None:
    job = going_on(killed, tmp_path / "job", two_heads(base, tmp_path), resume={"fork": forked}, **fields)
    with pytest.raises(ResumeRefused, match=says) as refused:
        start_of(job)
    assert refused.value.exit_code == 3 and "back" in str(refused.value.hint)
    assert not (tmp_path / "job" / "start").exists()


def two_heads(base: Path, folder: Path) -> Path:
    """The base model with a config.json that can be cut in two; nothing reads its weights here."""
    model = folder / "model"
    shutil.copytree(base, model)
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps(config | {"num_key_value_heads": 2}))
    return model


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"start": 3}, "orderSha256 was"),
        ({"with": {"optimizer": {"beta1": 0.5}}}, r"options\.optimizer\.beta1 was 0\.9 and is 0\.5"),
        ({"with": {"steps": 3, "schedule": SCHEDULE | {"decay": 1}}}, "4 steps done, this training has 3"),
    ],
)
def test_another_training_is_refused_as_the_native_one_refuses_it(
    tmp_path: Path, base: Path, killed: dict[str, Any], fields: dict, says: str
) -> None:
    with pytest.raises(ResumeRefused, match=says) as refused:
        start_of(going_on(killed, tmp_path / "job", base, **fields))
    assert "legalone fork" in str(refused.value.hint)


def test_the_native_trainer_refuses_these_checkpoints_with_code_3(
    tmp_path: Path, base: Path, killed: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in_node(tmp_path / "node", base, monkeypatch)
    monkeypatch.setenv("LEGALONE_DEVICE", "cpu")
    fields = {"with": {"parallel": {}, "batch": BATCH}, "resources": {}}
    job = going_on(killed, tmp_path / "job", base, **fields)
    assert run_stage(job) == 3
    assert "holds the files of the trainer mindformers" in result_of(job)["message"]


@pytest.mark.long
def test_killed_again_and_again_no_row_is_lost_or_repeated(
    tmp_path: Path, base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in_node(tmp_path / "node", base, monkeypatch)
    monkeypatch.setenv("STAND_IN_SECONDS", "0.2")
    fields = {"with": {"steps": 12}, "checkpoint": {"every": 1, "keep": 2}}
    job = mindformers_job(tmp_path / "e0", base, **fields)

    def saving(folder: Path) -> bool:
        """In the middle of a save: rank 0 has written a step that rank 1 has not."""
        own = folder / "mindformers" / "checkpoint"
        return len(list(own.glob("rank_0/*.safetensors"))) > len(list(own.glob("rank_1/*.safetensors"))) > 0

    moments = [
        lambda folder, events: bool(steps_of(events)) and saving(folder),
        lambda folder, events: len(steps_of(events)) > 1 and events[-1]["type"] == "checkpoint",
        lambda folder, events: any(e["type"] == "progress" and e["step"] >= 7 for e in events),
    ]
    begins = []
    for number, moment in enumerate(moments, start=1):
        folder = Path(job["folder"])
        signal_when(job, signal.SIGKILL, lambda events, m=moment, f=folder: m(f, events))
        begins.append(next(e["step"] for e in read_events(folder) if e["type"] == "progress"))
        resume = last_checkpoint(job) if steps_of(read_events(folder)) else job.get("resume")
        job = mindformers_job(tmp_path / f"e{number}", base, resume=resume, **fields)
    assert run_stage(job) == 0
    assert begins == sorted(begins) and begins[0] == 0 < begins[-1]
    assert consumed(tmp_path / "e3") == rows_of(tmp_path / "e3")
    assert result_of(job)["summary"]["ledger"] == ledger_of(tmp_path / "e3", 12).head.hex()


@pytest.mark.long
def test_a_fork_goes_on_with_another_order_and_rate(
    tmp_path: Path, base: Path, killed: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in_node(tmp_path / "node", base, monkeypatch)
    changed = {"with": {"schedule": SCHEDULE | {"max": 2e-3}}, "start": 5}
    job = going_on(killed, tmp_path / "job", base, resume={"fork": True}, **changed)
    assert run_stage(job) == 0
    old, new = rows_of(Path(killed["folder"])), rows_of(tmp_path / "job")
    assert old != new and consumed(tmp_path / "job") == old[: 4 * BATCH] + new[4 * BATCH :]
    assert warnings(tmp_path / "job") == ["forked"]
    summary = result_of(job)["summary"]
    left = json.loads((Path(killed["folder"]) / "step-4" / "state.json").read_text())["cursor"]["ledger"]
    assert (summary["forked"]["step"], summary["forked"]["ledger"]) == (4, left)
    chain = Ledger(head=fork(bytes.fromhex(left)))
    for number in (4, 5):
        chain.consume(np.array(new[number * BATCH : (number + 1) * BATCH]))
    assert summary["ledger"] == chain.head.hex()


@pytest.mark.long
def test_a_stop_in_the_conversion_costs_no_step(
    tmp_path: Path, base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in_node(tmp_path / "node", base, monkeypatch, conversion="hangs")
    job = mindformers_job(tmp_path / "job", base, checkpoint=EVERY_TWO)
    flags = tmp_path / "job" / "mindformers" / "flags.json"
    assert signal_when(job, signal.SIGTERM, lambda _: flags.is_file()) == 75
    assert "during the conversion, in reverse_mcore_qwen3_weight_to_hf.py" in result_of(job)["message"]
    assert naming(tmp_path / "job") == []
    assert steps_of(read_events(tmp_path / "job")) == [2, 4, 6]
    stand_in_node(tmp_path / "node", base, monkeypatch)
    again = going_on(job, tmp_path / "again", base)
    assert run_stage(again) == 0
    assert consumed(tmp_path / "again") == rows_of(tmp_path / "again")
    assert not (tmp_path / "again" / "msrun.txt").exists()
    assert parse_job(again).resume is not None and steps_of(read_events(tmp_path / "again")) == []
