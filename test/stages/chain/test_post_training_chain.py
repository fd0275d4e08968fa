"""sft, rl and eval as processes, one after the other, on a model that learns a few samples in seconds."""

import json
import signal
from pathlib import Path
from typing import Any

import pytest
from support.jobs import (
    assert_says_what,
    last_checkpoint,
    make_job,
    read_events,
    result_of,
    run_stage,
    signal_when,
    stderr_of,
)
from support.tiny_corpus import tiny_corpus
from support.tiny_model import tiny_model_folder
from support.tiny_samples import tiny_samples

from stages._worker.artifacts import file_sha256, verify

pytestmark = pytest.mark.long

HELDOUT = {"documents": 20, "tokens": 32, "batch": 8}
SFT = {
    "steps": 80,
    "batch": 8,
    "length": 64,
    "mix": [
        {"task": "statute_recitation", "share": 0.5},
        {"task": "charge_choice", "share": 0.4},
        {"task": "general", "share": 0.1},
    ],
    "schedule": {"warmup": 5, "decay": 30, "max": 1e-2, "min": 1e-3},
    "optimizer": {"beta2": 0.99},
    "checks": {"samples": 8, "prompts": 8, "longest_prompt": 48, "longest_answer": 16, "batch": 8},
    "heldout": HELDOUT,
}
GATE = {"min_steps": 3, "max_steps": 3, "window": 2}
RL = {
    "levels": [
        {"name": "memorisation", "pool": "memorisation", "reward": "rouge-l", "longest_answer": 16, "overlong_buffer": 2, "gate": GATE},
        {"name": "choice", "pool": "choice", "reward": "choice", "longest_answer": 16, "gate": GATE},
    ],
    "groups": 4,
    "group": 4,
    "max_draws": 2,
    "updates": 2,
    "temperature": 1.3,
    "longest_prompt": 48,
    "schedule": {"max": 1e-3, "warmup": 2},
    "probes": {"prompts": 4, "heldout": 4, "samples": 4},
    "heldout": HELDOUT,
}  # fmt: skip


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("post")


@pytest.fixture(scope="module")
def inputs(root: Path) -> dict[str, Path]:
    return {
        "model": tiny_model_folder(root / "start"),
        "samples": tiny_samples(root / "samples"),
        "corpus": tiny_corpus(root / "corpus"),
    }


def finished(job: dict[str, Any]) -> dict[str, Any]:
    assert run_stage(job) == 0, stderr_of(job)
    assert_says_what(job)
    return job


def weights(job: dict[str, Any]) -> str:
    return file_sha256(Path(job["output"]) / "model" / "model.safetensors")


@pytest.fixture(scope="module")
def sft(root: Path, inputs: dict[str, Path]) -> dict[str, Any]:
    return finished(make_job("sft", root / "sft", inputs=inputs, **{"with": SFT}))


@pytest.fixture(scope="module")
def rl(root: Path, inputs: dict[str, Path], sft: dict[str, Any]) -> dict[str, Any]:
    return finished(
        make_job(
            "rl", root / "rl", inputs=after(inputs, sft), **{"with": RL}, checkpoint={"every": 2, "keep": 9}
        )
    )


def after(inputs: dict[str, Path], job: dict[str, Any]) -> dict[str, Path]:
    return {**inputs, "model": Path(job["output"]) / "model"}


def test_sft_teaches_the_form_and_lowers_the_held_out_loss(sft: dict[str, Any]) -> None:
    result = result_of(sft)
    metrics = result["metrics"]
    assert metrics["heldout_loss_after"] < metrics["heldout_loss_before"]
    assert metrics["think_share"] >= 0.5
    assert metrics["think_prompts"] == 8
    assert metrics["legal_ppl_lo"] < metrics["legal_ppl"] < metrics["legal_ppl_hi"]
    assert result["summary"]["mix"]["task:general"] == pytest.approx(0.1, abs=0.01)
    codes = [event.get("code") for event in read_events(Path(sft["folder"])) if event["type"] == "warning"]
    assert codes == ["few_prompts"]
    verify(Path(sft["output"]) / "model")


def test_sft_stopped_and_resumed_ends_with_the_same_bits(
    root: Path, inputs: dict[str, Path], sft: dict[str, Any]
) -> None:
    first = make_job("sft", root / "sft-stopped", inputs=inputs, **{"with": SFT})
    code = signal_when(first, signal.SIGTERM, lambda events: any(e.get("step", 0) >= 20 for e in events))
    assert code == 75, stderr_of(first)
    second = make_job(
        "sft", root / "sft-resumed", inputs=inputs, **{"with": SFT}, resume=last_checkpoint(first)
    )
    assert weights(finished(second)) == weights(sft)


def test_rl_runs_both_levels_and_measures_them(rl: dict[str, Any]) -> None:
    result = result_of(rl)
    for level in ("memorisation", "choice"):
        for name in ("reward_before", "reward_after", "heldout_before", "heldout_after"):
            assert 0 <= result["metrics"][f"{level}_{name}"] <= 1
        for name in ("reward", "heldout"):
            before, after, low, gain, high = (
                result["metrics"][f"{level}_{name}_{part}"]
                for part in ("before", "after", "gain_lo", "gain", "gain_hi")
            )
            assert low <= gain <= high
            assert gain == pytest.approx(after - before, abs=1e-9)
        assert result["metrics"][f"{level}_steps"] == 3
    assert 0 <= result["metrics"]["memorisation_reward_later"] <= 1
    assert result["summary"]["updates"] > 0
    assert [level["ending"] for level in result["summary"]["levels"]] == ["ceiling", "ceiling"]
    names = {event["name"] for event in read_events(Path(rl["folder"])) if event["type"] == "metric"}
    assert {"reward", "length", "clip_share", "entropy", "draws", "loss", "form_share"} <= names


def test_rl_stopped_and_resumed_ends_with_the_same_bits(
    root: Path, inputs: dict[str, Path], sft: dict[str, Any], rl: dict[str, Any]
) -> None:
    first = make_job("rl", root / "rl-stopped", inputs=after(inputs, sft), **{"with": RL})
    code = signal_when(
        first,
        signal.SIGTERM,
        lambda events: any(e.get("name") == "reward" and e["step"] == 2 for e in events),
    )
    assert code == 75, stderr_of(first)
    resume = last_checkpoint(first)
    assert 2 <= resume["step"] < 6
    second = make_job("rl", root / "rl-resumed", inputs=after(inputs, sft), **{"with": RL}, resume=resume)
    assert weights(finished(second)) == weights(rl)
    assert result_of(second)["metrics"] == result_of(rl)["metrics"]
    assert result_of(second)["summary"]["ledger"] == result_of(rl)["summary"]["ledger"]


def test_rl_refuses_a_checkpoint_of_other_settings(
    root: Path, inputs: dict[str, Path], sft: dict[str, Any], rl: dict[str, Any]
) -> None:
    job = make_job(
        "rl",
        root / "rl-refused",
        inputs=after(inputs, sft),
        **{"with": {**RL, "temperature": 1.0}},
        resume=last_checkpoint(rl),
    )
    assert run_stage(job) == 3
    assert result_of(job)["reason"] == "resume_refused"
    assert "temperature" in result_of(job)["message"]


def test_eval_compares_the_models(
    root: Path, inputs: dict[str, Path], sft: dict[str, Any], rl: dict[str, Any]
) -> None:
    guesses = root / "guesses.json"
    guesses.write_text(
        json.dumps({"heldout_charge_choice": [{"id": 0, "prediction": "A"}]}), encoding="utf-8"
    )
    suite = {"name": "test", "about": "test", "samples": {"pool": 4, "heldout": 4}}
    job = make_job("eval", root / "eval", inputs=inputs)
    job["inputs"] = [
        {"kind": "model", "stage": name, "uri": Path(folder).as_uri()}
        for name, folder in (
            ("base", inputs["model"]),
            ("sft", Path(sft["output"]) / "model"),
            ("rl", Path(rl["output"]) / "model"),
        )
    ] + [item for item in job["inputs"] if item["kind"] != "model"]
    job["with"] = {
        "evaluation": suite,
        "plain": ["base"],
        "longest_prompt": 64,
        "longest_answer": 16,
        "option_likelihood": True,
        "longest_option": 48,
        "batch": 8,
        "predictions": {"guesses": str(guesses)},
        "heldout": HELDOUT,
    }
    finished(job)
    folder = Path(job["output"]) / "evaluation"
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    assert report["models"] == ["base", "sft", "rl", "guesses"]
    lines = {line["task"]: line for line in report["tasks"]}
    assert set(lines) == {
        "heldout_charge_choice",
        "heldout_statute_recitation",
        "pool_choice",
        "pool_memorisation",
    }
    pool = lines["pool_memorisation"]
    assert pool["seen_in_training"]
    assert pool["strict"]["sft"] > pool["strict"]["base"]
    assert lines["heldout_charge_choice"]["chance"] == 25.0
    assert set(lines["heldout_charge_choice"]["strict"]) == {"base", "sft", "rl", "guesses"}
    assert [line["model"] for line in report["forgetting"]] == ["base", "sft", "rl"]
    assert report["forgetting"][0]["legal_ppl_ratio"] == 1.0
    verdict = report["verdict"]
    assert (verdict["model"], verdict["base"]) == ("rl", "base")
    assert (
        verdict["sentence"].startswith("The delivered model (rl) is ")
        and "on prompts it was trained on" in verdict["sentence"]
    )
    assert result_of(job)["summary"]["verdict"]["sentence"] == verdict["sentence"]
    metrics = result_of(job)["metrics"]
    assert metrics["pool_memorisation_gain_lo"] <= metrics["pool_memorisation_gain"]
    assert metrics["pool_memorisation_after"] == pytest.approx(pool["strict"]["rl"])
    scores = json.loads((folder / "sft" / "result.json").read_text(encoding="utf-8"))
    assert scores["pool_memorisation"]["score"] == pool["compatible"]["sft"]
    assert len(json.loads((folder / "rl/predict/pool_choice/pool_choice_0.json").read_text())) == 4
    verify(folder)
