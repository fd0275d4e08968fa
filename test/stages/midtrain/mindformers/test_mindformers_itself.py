"""The package MindFormers 1.9.0, on a CPU, reads our files: its loader, its rate, its template and configuration."""

import json
import os
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.mindformers_rate import FP32
from support.order import write_order
from support.order_index import write_order_index
from support.tiny_packed import tiny_packed

from stages._worker.data.packed import PackedData
from stages._worker.locations import CHECKOUT
from stages._worker.model.config import Qwen3Config, config_from
from stages._worker.training.schedule import Schedule
from stages._worker.yaml_file import read_yaml
from stages.midtrain.mindformers.checkpoints.starting import Start
from stages.midtrain.mindformers.layout import lay_out
from stages.midtrain.mindformers.training_yaml import Training, training_config, training_yaml
from stages.midtrain.mindformers.warm_up_stable_decay import warm_up_stable_decay
from stages.midtrain.order import Order

PYTHON = CHECKOUT / ".venv-mindformers" / "bin" / "python"
pytestmark = pytest.mark.skipif(
    not PYTHON.exists(), reason="MindFormers lives in .venv-mindformers, which is not installed"
)
LENGTH, BATCH, SHARDS, END = 32, 16, 4, 0
DONE = 4
SIZES = ["1.7b", "4b", "8b"]
SCHEDULES = {
    "short": Schedule(steps=6, warmup=2, decay=3, max=1e-3, min=1e-5),
    "no-decay": Schedule(steps=40, warmup=10, decay=0, max=3e-4, min=3e-6),
    "long": Schedule(steps=400, warmup=50, decay=120, max=3e-4, min=3e-6),
}


def model(size: str) -> Qwen3Config:
    return config_from(read_yaml(CHECKOUT / "configs" / "models" / f"qwen3-{size}.yaml"))


def training(size: str, packed: list[Path], index: Path, *, boundaries: bool) -> Training:
    parallel = {"tensor": 8, "pipeline": 1, "context": 1, "micro_batches": 1, "recompute": True}
    resources = {"nodes": 4, "npus": 8}
    return Training(
        model=model(size),
        layout=lay_out(model(size), parallel, resources, batch=BATCH, sequence_length=LENGTH),
        schedule=SCHEDULES["short"],
        optimizer={"beta1": 0.9, "beta2": 0.95, "eps": 1e-8, "weight_decay": 0.1, "clip": 1.0},
        seed=42,
        base=Path("/models/base"),
        index=index,
        data=tuple(folder / "data.bin" for folder in packed),
        end_of_document=END,
        output=Path("/job/mindformers"),
        checkpoint_every=500,
        boundaries=boundaries,
    )


def going_on(folder: Path, made: Training) -> Training:
    """The same training on four NPUs of one node, that goes on from a checkpoint."""
    parallel = {"tensor": 1, "pipeline": 1, "context": 1, "micro_batches": 1, "recompute": True}
    resources = {"nodes": 1, "npus": SHARDS}
    return replace(
        made,
        layout=lay_out(made.model, parallel, resources, batch=BATCH, sequence_length=LENGTH),
        output=folder / "mindformers",
        checkpoint_every=2,
        start=Start(step=DONE, folder=folder / "mindformers" / "start"),
    )


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Everything MindFormers is asked, in one process: importing it takes long."""
    folder = tmp_path_factory.mktemp("mindformers")
    packed = [
        tiny_packed(folder / f"packed-{n}", vocabulary=64, length=LENGTH, sequences=12 + 5 * n)
        for n in range(2)
    ]
    rates = [SCHEDULES["short"].learning_rate(step) for step in range(SCHEDULES["short"].steps)]
    write_order(folder / "order", *packed, batch=BATCH, rates=rates)
    write_order_index(folder / "order", *packed)
    index = folder / "order" / "order.idx"
    made = {on: training("1.7b", packed, index, boundaries=on) for on in (False, True)}
    loaders = {
        f"boundaries-{on}": training_config(made[on])["train_dataset"]["data_loader"] | {"num_shards": SHARDS}
        for on in made
    }
    files = {}
    for size in SIZES:
        files[size] = str(folder / f"{size}.yaml")
        text = training_yaml(training(size, packed, index, boundaries=True))
        Path(files[size]).write_text(text, encoding="utf-8")
    schedules = {
        name: warm_up_stable_decay(schedule) | {"steps": schedule.steps}
        for name, schedule in SCHEDULES.items()
    }
    again = folder / "going-on.yaml"
    again.write_text(training_yaml(going_on(folder, made[False])), encoding="utf-8")
    asked = {
        "going_on": {"file": str(again), "step": DONE, "ranks": SHARDS, "batch": BATCH},
        "loaders": loaders,
        "schedules": schedules,
        "files": files,
    }
    job = folder / "job.json"
    job.write_text(json.dumps(asked))
    script = CHECKOUT / "test" / "stages" / "support" / "mindformers_reference.py"
    done = subprocess.run(
        [PYTHON, script, job, folder],
        cwd=folder,
        env={**os.environ, "GLOG_v": "3", "PYTHONPATH": f"{CHECKOUT}:{CHECKOUT / 'test' / 'stages'}"},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "are useless" not in done.stdout + done.stderr, (
        "its template names a section that it does not know"
    )
    return folder


@pytest.mark.parametrize("boundaries", [False, True])
def test_its_loader_gives_every_rank_the_native_trainers_rows(seen: Path, boundaries: bool) -> None:
    data = PackedData(seen / "packed-0", seen / "packed-1")
    order = Order(seen / "order", data)
    share = BATCH // SHARDS
    for shard in range(SHARDS):
        columns = np.load(seen / f"boundaries-{boundaries}-{shard}.npz")
        assert len(columns["input_ids"]) == order.steps * share
        for step in range(order.steps):
            native = data.rows(order.rows(step))[shard::SHARDS]
            mine = slice(step * share, (step + 1) * share)
            assert np.array_equal(columns["input_ids"][mine], native[:, :-1])
            assert np.array_equal(columns["labels"][mine], native[:, 1:])
            assert (columns["loss_mask"][mine] == 1).all()
            assert (columns["position_ids"][mine] == np.arange(LENGTH)).all()
        assert ("actual_seq_len" in columns) is boundaries
        if boundaries:
            ends = columns["actual_seq_len"]
            for tokens, lengths in zip(columns["input_ids"], ends, strict=True):
                edges = sorted({int(edge) for edge in lengths})
                assert edges[-1] == LENGTH
                assert all(tokens[edge - 1] == END for edge in edges[:-1])


@pytest.mark.parametrize("name", SCHEDULES)
def test_its_rate_is_ours_at_every_step(seen: Path, name: str) -> None:
    schedule = SCHEDULES[name]
    ours = [schedule.learning_rate(step) for step in range(schedule.steps)]
    assert np.load(seen / f"{name}.npy") == pytest.approx(np.array(ours), rel=0, abs=FP32 * schedule.max)


@pytest.mark.parametrize("size", SIZES)
def test_its_template_takes_every_section_and_its_qwen3_has_our_sizes(seen: Path, size: str) -> None:
    read = json.loads((seen / f"{size}.json").read_text())
    for name, value in read["model"].items():
        assert value == getattr(model(size), name), name
    assert read["sequences"] == BATCH


def test_ours_finds_what_its_callback_saves(seen: Path) -> None:
    found = json.loads((seen / "going-on.json").read_text())
    output = seen / "mindformers"
    # Every two steps, and the last one, the fifth, whatever the interval.
    assert found["begun"] == [2, 4, 5]
    assert found["files"] == [
        str(output / "checkpoint" / f"rank_{rank}" / f"midtrain_rank_{rank}-{DONE}_1.safetensors")
        for rank in range(SHARDS)
    ]
    assert found["strategies"] == [
        str(output / "strategy" / f"ckpt_strategy_rank_{rank}.ckpt") for rank in range(SHARDS)
    ]


def test_it_finds_what_ours_lays_for_every_rank_and_goes_on_with_the_next_row(seen: Path) -> None:
    data = PackedData(seen / "packed-0", seen / "packed-1")
    order = Order(seen / "order", data)
    for rank, found in enumerate(json.loads((seen / "going-on.json").read_text())["ranks"]):
        name = f"midtrain_rank_{rank}-{DONE}_1.safetensors"
        laid = seen / "mindformers" / "start" / "checkpoint" / f"rank_{rank}" / name
        assert (found["name"], found["weights"]) == (name, str(laid))
        assert found["initial_step"] == found["initial_epoch"] == found["skipped"] == DONE
        # Epochs of one step each, of the whole order: the rest of them is trained.
        assert found["epochs"] == order.steps
        batches = np.load(seen / f"going-on-{rank}.npz")["input_ids"]
        assert len(batches) == order.steps - DONE
        for step, tokens in enumerate(batches, start=DONE):
            assert np.array_equal(tokens, data.rows(order.rows(step))[rank::SHARDS, :-1])


def test_a_rank_comes_as_far_as_the_device(seen: Path) -> None:
    launch = CHECKOUT / "stages" / "midtrain" / "mindformers" / "launch.py"
    done = subprocess.run(
        [PYTHON, launch, "--config", seen / "1.7b.yaml"],
        cwd=seen,
        env={**os.environ, "GLOG_v": "3"},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 1
    assert "Unsupported device target Ascend" in done.stderr, done.stderr[-3000:]
