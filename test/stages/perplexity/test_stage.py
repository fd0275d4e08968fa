"""The stage as a process: scores of tokens, windows, and input that is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.jobs import make_job, read_events, result_of, run_stage, stderr_of
from support.tiny_corpus import tiny_corpus
from support.tiny_model import tiny_model_folder

from stages._worker import jsonl
from stages._worker.data.documents import read_documents
from stages._worker.data.tokenizer import load_tokenizer
from stages.perplexity.groups import WINDOW_DOCUMENTS, own_windows
from stages.perplexity.score import _widths
from stages.perplexity.token_scores import read_token_scores

OPTIONS = {
    "sequence_length": 16,
    "score": {"tokens": 24, "widths": [16], "batch": 16},
    "bands": {"mode": "quantile", "low": 0.3, "middle": 0.6, "high": 0.9},
}


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("perplexity-stage")
    return {
        "corpus": tiny_corpus(root / "corpus", documents=40),
        "model": tiny_model_folder(root / "model", seed=3),
    }


def run(folder: Path, inputs: dict[str, Path], code: int = 0, **options: Any) -> dict[str, Any]:
    job = make_job("perplexity", folder, inputs=inputs, **{"with": OPTIONS | options})
    assert run_stage(job) == code, stderr_of(job)
    return job


def test_scores_of_tokens_add_up_to_those_of_documents(inputs: dict[str, Path], tmp_path: Path) -> None:
    folder = Path(run(tmp_path, inputs, per_token=True)["output"]) / "packed"
    rows = list(jsonl.read(folder / "scores.jsonl"))
    values, offsets = read_token_scores(folder)
    assert len(offsets) == len(rows) + 1 == 81 and offsets[0] == 0 and offsets[-1] == len(values)
    for row, begin, end in zip(rows, offsets[:-1], offsets[1:], strict=True):
        assert end - begin == min(row["tokens"], 24)
        assert (values[begin:end] > 0).all()
        nll = (end - begin) * np.log(row["ppl"])
        assert values[begin:end].sum(dtype=np.float64) == pytest.approx(nll, rel=1e-6)


def test_a_share_is_scored_and_the_rest_predicted(inputs: dict[str, Path], tmp_path: Path) -> None:
    corpus = tiny_corpus(tmp_path / "corpus", documents=150)
    job = run(tmp_path / "job", inputs | {"corpus": corpus}, predict={"share": 0.6}, per_token=True)
    folder = Path(job["output"]) / "packed"
    rows = list(jsonl.read(folder / "scores.jsonl"))
    metrics = result_of(job)["metrics"]
    predicted = [row for row in rows if row.get("predicted")]
    assert len(rows) == 300 and 60 < len(predicted) == metrics["predicted_documents"] < 180
    assert all(row["ppl"] > 1 and row["band"] for row in predicted)
    facts = json.loads((folder / "cells.json").read_text(encoding="utf-8"))["predictor"]
    assert result_of(job)["summary"]["predictor"] == facts
    assert facts["measured"] == 300 - len(predicted) and facts["heldout"] == facts["measured"] // 5
    assert (metrics["predictor_spearman"], metrics["predictor_same_band"]) == (
        facts["spearman"],
        facts["same_band"],
    )
    _, offsets = read_token_scores(folder)
    scored = [min(row["tokens"], 24) * (not row.get("predicted")) for row in rows]
    assert np.diff(offsets).tolist() == scored
    # A document that is scored has the score it would have without a predictor.
    whole = run(tmp_path / "whole", inputs | {"corpus": corpus})
    measured = {
        row["id"]: row["ppl"] for row in jsonl.read(Path(whole["output"]) / "packed" / "scores.jsonl")
    }
    for row in rows:
        if not row.get("predicted"):
            assert row["ppl"] == pytest.approx(measured[row["id"]], rel=1e-5)


def test_windows_hold_the_share_in_order(inputs: dict[str, Path], tmp_path: Path, monkeypatch: Any) -> None:
    from stages._worker.job import parse_job

    assert WINDOW_DOCUMENTS > 80
    monkeypatch.setattr("stages.perplexity.groups.WINDOW_DOCUMENTS", 7)
    job = parse_job(make_job("perplexity", tmp_path, inputs=inputs, shard=1, shards=2, **{"with": OPTIONS}))
    tokenizer = load_tokenizer(inputs["model"])
    windows = list(own_windows(job, tokenizer, ["general", "legal"]))
    assert [len(window) for window in windows] == [7, 7, 7, 7, 7, 5]
    expected = [
        (group, document["id"])
        for group in ("general", "legal")
        for document in list(read_documents(inputs["corpus"], "train", group))[1::2]
    ]
    assert [(d.group, d.name) for window in windows for d in window] == expected


def test_thresholds_in_the_wrong_order_are_refused_before_the_model_is_read(tmp_path: Path) -> None:
    nowhere = {"corpus": tmp_path / "none", "model": tmp_path / "none"}
    job = run(tmp_path, nowhere, 64, bands={"mode": "absolute", "low": 15, "middle": 5, "high": 30})
    assert "expected low < middle < high, saw 15" in result_of(job)["message"]


def test_a_group_without_a_document_is_refused(inputs: dict[str, Path], tmp_path: Path) -> None:
    corpus = tiny_corpus(tmp_path / "corpus", documents=5)
    (corpus / "documents/train/synthetic.jsonl").write_text("\n")
    job = run(tmp_path / "job", inputs | {"corpus": corpus}, 65)
    assert "documents/train/synthetic.jsonl has no document" in result_of(job)["message"]
    assert "synthetic" in result_of(job)["hint"]


def other_config(model: Path, copy: Path, **changed: int) -> Path:
    """A copy of a model folder whose config.json says something else."""
    shutil.copytree(model, copy)
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps(config | changed))
    return copy


def test_a_tokenizer_that_is_larger_than_the_model_is_refused(
    inputs: dict[str, Path], tmp_path: Path
) -> None:
    model = other_config(inputs["model"], tmp_path / "model", vocab_size=256)
    job = run(tmp_path / "job", inputs | {"model": model}, 65)
    assert "entries, the model only 256" in result_of(job)["message"]
    assert result_of(job)["hint"]


def test_a_tokenizer_with_other_marks_than_the_model_is_refused(
    inputs: dict[str, Path], tmp_path: Path
) -> None:
    model = other_config(inputs["model"], tmp_path / "model", eos_token_id=77)
    job = run(tmp_path / "job", inputs | {"model": model}, 65)
    assert "eos_token_id" in result_of(job)["message"] and "77" in result_of(job)["message"]


def test_a_group_that_would_lose_every_document_is_refused(inputs: dict[str, Path], tmp_path: Path) -> None:
    absolute = {"mode": "absolute", "low": 5, "middle": 15, "high": 300}
    job = run(tmp_path / "whole", inputs, 65, bands=absolute)
    assert "each of the 40 documents of general has a perplexity of 300 or more" in result_of(job)["message"]
    assert "mode: quantile" in result_of(job)["hint"]


def test_bands_that_the_model_cannot_reach_are_refused_before_all_is_scored(
    inputs: dict[str, Path], tmp_path: Path
) -> None:
    bands = {"mode": "absolute", "low": 5, "middle": 15, "high": 30}
    job = run(tmp_path, inputs, code=65, bands=bands)
    failure = result_of(job)
    assert "documents of general that were scored first" in failure["message"]
    assert "`mode: quantile`" in failure["hint"]
    assert not [event for event in read_events(tmp_path) if event["type"] == "progress"]


def test_widths_that_nobody_names_are_halves_of_the_longest() -> None:
    assert _widths(4096, None) == (128, 256, 512, 1024, 2048, 4096)
    assert _widths(96, None) == (96,)
    assert _widths(300, None) == (150, 300)
    assert _widths(4096, []) == (4096,)
    assert _widths(24, [16, 32]) == (16, 24)


def test_a_shard_that_loses_a_group_warns(inputs: dict[str, Path], tmp_path: Path) -> None:
    """Another shard may keep some of it: only the stage as a whole could tell."""
    absolute = {"mode": "absolute", "low": 5, "middle": 15, "high": 300}
    job = make_job("perplexity", tmp_path, inputs=inputs, shards=2, **{"with": OPTIONS | {"bands": absolute}})
    assert run_stage(job) == 65
    warned = [event["message"] for event in read_events(tmp_path) if event["type"] == "warning"]
    assert len(warned) == 2 and "legal" in warned[1] and "(shard 0 of 2)" in warned[1]
    assert "no cell has enough tokens" in result_of(job)["message"]
