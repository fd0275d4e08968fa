"""The stage as a process, with a stand-in for msrun (support/stand_in_msrun.py): nothing is trained here."""

import json
import signal
from pathlib import Path

import pytest
from support.jobs import read_events, result_of, run_stage, signal_when
from support.mindformers_jobs import BATCH, HELDOUT, LENGTH, STEPS, mindformers_job
from support.stand_in_mindformers import stand_in_node
from support.tiny_model import tiny_model_folder

from stages._worker.inference.heldout import HeldOut
from stages._worker.model import device
from stages._worker.model.config import read_config
from stages._worker.model.folder import load_model
from stages._worker.yaml_file import read_yaml
from stages.midtrain.measured import midtrain_metrics


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model_folder(tmp_path_factory.mktemp("base"))


def test_the_log_becomes_events_and_the_conversion_a_model(
    tmp_path: Path, base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in_node(tmp_path / "node", base, monkeypatch)
    job = mindformers_job(tmp_path / "job", base)
    assert run_stage(job) == 0
    events = read_events(tmp_path / "job")
    points = {(e["name"], e["step"]): e["value"] for e in events if e["type"] == "metric"}
    assert [points["loss", step] for step in range(1, 7)] == [8.9, 8.8, 8.7, 8.6, 8.5, 8.4]
    assert points["lr", 3] == 1e-5 and points["grad_norm", 3] == 1.5 and points["tflops_per_npu", 3] == 12.345
    assert points["tokens_per_second", 3] == 2 * BATCH * LENGTH
    assert points["samples_per_second_per_npu", 3] == 0.5
    assert [e["step"] for e in events if e["type"] == "progress"] == [0, 1, 2, 3, 4, 5, 6]
    assert [e["code"] for e in events if e["type"] == "warning"] == ["overflow"]
    assert [e["phase"] for e in events if e["type"] == "phase"] == [
        *("loading", "loading", "compiling", "training", "saving", "loading", "saving"),
    ]
    assert [e["kind"] for e in events if e["type"] == "artifact"] == ["model"]
    metrics = result_of(job)["metrics"]
    monkeypatch.setenv("LEGALONE_DEVICE", "cpu")
    # The stand-in hands the base weights over: before and after are what the native scorer says of them.
    assert metrics == pytest.approx(native_metrics(base, tmp_path / "job" / "corpus"), rel=1e-5)
    facts = json.loads((tmp_path / "job" / "output" / "model" / "legalone.json").read_text())
    assert (facts["metrics"], facts["trainer"]) == (metrics, "mindformers")
    model = read_config(base)
    assert read_config(tmp_path / "job" / "output" / "model") == model
    assert json.loads((tmp_path / "job" / "mindformers" / "flags.json").read_text()) == {
        "mindspore_ckpt_path": str(
            tmp_path / "job" / "mindformers" / "merged" / "6_1_ckpt_convert" / "unified_safe"
        ),
        "huggingface_ckpt_path": str(tmp_path / "job" / "mindformers" / "converted"),
        "num_layers": str(model.num_hidden_layers),
        "num_attention_heads": str(model.num_attention_heads),
        "num_query_groups": str(model.num_key_value_heads),
        "kv_channels": str(model.head_dim),
        "ffn_hidden_size": str(model.intermediate_size),
        "dtype": "bf16",
    }
    written = read_yaml(tmp_path / "job" / "train.yaml")
    assert written["parallel_config"]["pipeline_stage"] == written["parallel_config"]["micro_batch_num"] == 2
    assert "--worker_num=2" in (tmp_path / "job" / "msrun.txt").read_text()


def native_metrics(model: Path, corpus: Path) -> dict[str, float]:
    device.set_up()
    network, tokenizer = load_model(model, max_length=HELDOUT["tokens"])
    found = HeldOut(network, tokenizer, corpus, HELDOUT).measure()
    return midtrain_metrics(found, found, tokens=STEPS * BATCH * LENGTH)


def test_a_corpus_without_heldout_documents_is_refused_before_training(
    tmp_path: Path, base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in_node(tmp_path / "node", base, monkeypatch)
    job = mindformers_job(tmp_path / "job", base)
    (tmp_path / "job" / "corpus" / "documents" / "heldout" / "legal.jsonl").unlink()
    assert run_stage(job) == 65
    assert "expected legal and general" in result_of(job)["message"]
    assert not (tmp_path / "job" / "mindformers" / "logs").exists()


@pytest.mark.parametrize(
    ("ending", "code", "says"),
    [
        ("memory", 77, "worker_0.log: RuntimeError: Memory not enough"),
        ("short", 70, "speaks of 5 of 6 steps"),
        ("nan", 76, "step 2: loss nan"),
    ],
)
def test_a_bad_end_has_its_reason(
    tmp_path: Path, base: Path, monkeypatch: pytest.MonkeyPatch, ending: str, code: int, says: str
) -> None:
    stand_in_node(tmp_path / "node", base, monkeypatch, ending=ending)
    job = mindformers_job(tmp_path / "job", base, checkpoint={"every": 2})
    assert run_stage(job) == code
    assert says in result_of(job)["message"]
    # Whatever ended it, what was whole by then is committed.
    assert (tmp_path / "job" / "step-2" / "manifest.json").is_file()


def test_sigterm_reaches_msrun(tmp_path: Path, base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in_node(tmp_path / "node", base, monkeypatch, ending="hangs")
    job = mindformers_job(tmp_path / "job", base)
    trains = lambda events: any(e["type"] == "progress" and e["step"] == 2 for e in events)  # noqa: E731
    assert signal_when(job, signal.SIGTERM, trains) == 75
    assert "after step 2 of 6; msrun was stopped" in result_of(job)["message"]


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"resources": {"nodes": 2, "npus": 2}}, "several nodes are not built"),
        ({"resources": {"nodes": 1, "npus": 3}}, "no multiple of tensor 1 x pipeline 2"),
    ],
)
def test_what_is_not_built_is_refused_before_training(
    tmp_path: Path, base: Path, monkeypatch: pytest.MonkeyPatch, fields: dict, says: str
) -> None:
    stand_in_node(tmp_path / "node", base, monkeypatch)
    job = mindformers_job(tmp_path / "job", base, **fields)
    assert run_stage(job) == 64
    assert says in result_of(job)["message"]
    assert not (tmp_path / "job" / "mindformers").exists()


def test_a_missing_source_tree_is_said_before_training(
    tmp_path: Path, base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in_node(tmp_path / "node", base, monkeypatch)
    monkeypatch.delenv("LEGALONE_MINDFORMERS")
    job = mindformers_job(tmp_path / "job", base)
    assert run_stage(job) == 64
    assert "LEGALONE_MINDFORMERS is not set" in result_of(job)["message"]
