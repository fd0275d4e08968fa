"""base, perplexity, midtrain and export as processes, one after the other, on a model that trains in seconds."""

import json
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

import mindspore as ms
import numpy as np
import pytest
from support.jobs import (
    CHECKOUT,
    assert_says_what,
    last_checkpoint,
    make_job,
    read_events,
    result_of,
    run_stage,
    signal_when,
    start,
    stderr_of,
)
from support.order import write_order
from support.tiny_config import MODEL
from support.tiny_corpus import tiny_corpus

from stages._worker.artifacts import file_sha256, verify
from stages._worker.data.packed import PackedData
from stages._worker.model import device
from stages._worker.model.folder import load_model
from stages._worker.training.schedule import Schedule

HELDOUT = {"documents": 20, "tokens": 32, "batch": 8}
SCHEDULE = {"warmup": 5, "decay": 10, "max": 1e-2, "min": 1e-3}
STEPS = 150
RATES = [Schedule(steps=STEPS, **SCHEDULE).learning_rate(step) for step in range(STEPS)]
MIDTRAIN = {
    "steps": STEPS,
    "batch": 4,
    "schedule": SCHEDULE,
    "heldout": HELDOUT,
    "optimizer": {"beta2": 0.99},
}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("chain")


@pytest.fixture(scope="module")
def corpus(root: Path) -> Path:
    return tiny_corpus(root / "corpus")


@pytest.fixture(scope="module")
def base(root: Path, corpus: Path) -> dict[str, Any]:
    options = {
        "steps": 60,
        "batch": 4,
        "sequence_length": 32,
        "tokenizer_characters": 20_000,
        "schedule": SCHEDULE,
        "heldout": HELDOUT,
    }
    return finished(
        make_job("base", root / "base", inputs={"corpus": corpus}, model=MODEL, **{"with": options})
    )


@pytest.fixture(scope="module")
def perplexity(root: Path, corpus: Path, base: dict[str, Any]) -> dict[str, Any]:
    options = {
        "sequence_length": 32,
        "documents": {"general": 100},
        "score": {"tokens": 32, "widths": [16], "batch": 16},
        "bands": {"mode": "quantile", "low": 0.3, "middle": 0.6, "high": 0.9},
    }
    inputs = {"corpus": corpus, "model": output(base, "model")}
    return finished(make_job("perplexity", root / "perplexity", inputs=inputs, **{"with": options}))


def midtrain_job(base: dict, perplexity: dict, corpus: Path, folder: Path, **fields: Any) -> dict[str, Any]:
    inputs = {"corpus": corpus, "packed": output(perplexity, "packed"), "model": output(base, "model")}
    write_order(folder / "order", inputs["packed"], batch=4, rates=RATES)
    return make_job(
        "midtrain", folder, inputs=inputs, checkpoint={"every": 20, "keep": 2}, **{"with": MIDTRAIN}, **fields
    )


@pytest.fixture(scope="module")
def midtrains(root: Path, corpus: Path, base: dict, perplexity: dict) -> dict[str, dict[str, Any]]:
    """The same training twice: whole, and in three attempts that are killed, stopped and finished."""
    jobs: dict[str, dict[str, Any]] = {}

    def job(name: str, **fields: Any) -> dict[str, Any]:
        jobs[name] = midtrain_job(base, perplexity, corpus, root / name, **fields)
        return jobs[name]

    whole = start(job("whole"))
    kills = signal_when(job("killed"), signal.SIGKILL, lambda events: count(events, "checkpoint") == 2)
    assert kills == -signal.SIGKILL
    resume = last_checkpoint(jobs["killed"])
    stopped = job("stopped", resume=resume)
    # Only a step of its own is something to save.
    code = signal_when(stopped, signal.SIGTERM, lambda events: steps_done(events) > resume["step"])
    assert code == 75, stderr_of(stopped)
    finished(job("finished", resume=last_checkpoint(stopped)))
    assert whole.wait(timeout=120) == 0, stderr_of(jobs["whole"])
    return jobs


def test_base_learns_and_reports(base: dict[str, Any]) -> None:
    metrics = result_of(base)["metrics"]
    assert metrics["heldout_loss_after"] < metrics["heldout_loss_before"] - 1
    assert metrics["legal_ppl_lo"] < metrics["legal_ppl"] < metrics["legal_ppl_hi"]
    losses = [event["value"] for event in read_events(Path(base["folder"])) if event.get("name") == "loss"]
    assert losses[-1] < losses[0] - 1
    facts = json.loads((output(base, "model") / "legalone.json").read_text(encoding="utf-8"))
    assert [step["kind"] for step in facts["history"]] == ["base"]


def test_every_document_is_scored_once_and_every_token_has_a_place(
    corpus: Path, base: dict, perplexity: dict[str, Any]
) -> None:
    folder = output(perplexity, "packed")
    scores = [json.loads(line) for line in (folder / "scores.jsonl").read_text().splitlines()]
    assert len({score["id"] for score in scores}) == len(scores) == 100 + 120
    facts = json.loads((folder / "cells.json").read_text(encoding="utf-8"))
    kept = sum(score["tokens"] + 1 for score in scores if score["band"] != "dropped")
    packed = sum(cell["tokens"] for cell in facts["cells"])
    assert kept == packed + facts["dropped"]["tail_tokens"] + facts["dropped"]["crowded_tokens"]
    for group in ("general", "legal"):
        by_band = {
            band: [s["ppl"] for s in scores if (s["group"], s["band"]) == (group, band)]
            for band in ("low", "middle", "high", "dropped")
        }
        assert max(by_band["low"]) <= min(by_band["middle"]) <= max(by_band["middle"]) <= min(by_band["high"])
        assert max(by_band["high"]) <= min(by_band["dropped"])
    data = PackedData(folder)
    assert data.rows(np.arange(len(data))).max() < MODEL["vocab_size"]
    histogram = json.loads((folder / "histogram.json").read_text(encoding="utf-8"))
    assert sum(sum(group["counts"]) for group in histogram["groups"]) == len(scores)


def test_a_killed_and_a_stopped_training_end_with_the_same_bits(midtrains: dict[str, dict]) -> None:
    whole, finished_job = midtrains["whole"], midtrains["finished"]
    weights = [file_sha256(output(job, "model") / "model.safetensors") for job in (whole, finished_job)]
    assert weights[0] == weights[1]
    ledgers = [result_of(job)["summary"]["ledger"] for job in (whole, finished_job)]
    assert ledgers[0] == ledgers[1]
    assert result_of(whole)["metrics"] == result_of(finished_job)["metrics"]
    stopped = [e for e in read_events(Path(midtrains["stopped"]["folder"])) if e["type"] == "checkpoint"]
    assert 40 < stopped[-1]["step"] <= STEPS and stopped[-1]["cursor"]["row"] == 4 * stopped[-1]["step"]
    assert result_of(midtrains["stopped"])["reason"] == "stopped"


def test_training_lowers_the_loss_of_every_cell(midtrains: dict[str, dict]) -> None:
    curves: dict[str, list[float]] = {}
    for event in read_events(Path(midtrains["whole"]["folder"])):
        if event.get("name", "").startswith("loss/"):
            curves.setdefault(event["name"], []).append(event["value"])
    assert set(curves) >= {"loss/legal.low", "loss/general.high"}
    assert all(np.mean(curve[-3:]) < np.mean(curve[:3]) for curve in curves.values())
    metrics = result_of(midtrains["whole"])["metrics"]
    assert metrics["legal_ppl"] < metrics["legal_ppl_before"]


def test_another_order_is_refused(
    root: Path, corpus: Path, base: dict, perplexity: dict, midtrains: dict[str, dict]
) -> None:
    job = midtrain_job(
        base, perplexity, corpus, root / "refused", resume=last_checkpoint(midtrains["stopped"])
    )
    write_order(root / "refused" / "order", output(perplexity, "packed"), batch=4, rates=RATES, start=1)
    assert run_stage(job) == 3
    result = result_of(job)
    assert result["reason"] == "resume_refused" and "orderSha256" in result["message"]


def test_the_delivery_loads_in_transformers_with_the_same_logits(
    root: Path, corpus: Path, midtrains: dict[str, dict]
) -> None:
    inputs = {"model": output(midtrains["finished"], "model"), "corpus": corpus}
    job = finished(make_job("export", root / "export", inputs=inputs, **{"with": {"dtype": "float32"}}))
    delivery = output(job, "delivery")
    card = (delivery / "README.md").read_text(encoding="utf-8")
    assert "| base |" in card and "| midtrain |" in card and "in place of a pretrained Qwen3" in card
    device.set_up()
    network, _ = load_model(delivery)
    tokens = np.random.default_rng(0).integers(0, MODEL["vocab_size"], (2, 24)).astype(np.int32)
    logits = network(ms.Tensor(tokens)).asnumpy()
    torch = CHECKOUT / ".venv-torch" / "bin" / "python"
    if not torch.exists():
        pytest.skip("transformers lives in .venv-torch, which is not installed")
    copy = root / "copy"
    shutil.copytree(delivery, copy)
    np.save(copy / "tokens.npy", tokens)
    script = CHECKOUT / "test" / "stages" / "support" / "torch_reference.py"
    subprocess.run([torch, script, root, copy], check=True, capture_output=True)
    assert np.abs(np.load(root / "copy.npz")["logits"] - logits).max() <= 1e-4


def finished(job: dict[str, Any]) -> dict[str, Any]:
    assert run_stage(job) == 0, stderr_of(job)
    assert_says_what(job)
    for kind in (e["kind"] for e in read_events(Path(job["folder"])) if e["type"] == "artifact"):
        verify(output(job, kind))
    return job


def output(job: dict[str, Any], kind: str) -> Path:
    return Path(job["output"]) / kind


def count(events: list[dict[str, Any]], kind: str) -> int:
    return sum(event["type"] == kind for event in events)


def steps_done(events: list[dict[str, Any]]) -> int:
    return max((event["step"] for event in events if event["type"] == "progress"), default=0)
