"""eval in shards beside eval in one part: every score, interval and prediction once, and the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.jobs import make_job, result_of, run_stage, stderr_of
from support.tiny_corpus import tiny_corpus
from support.tiny_model import tiny_model_folder
from support.tiny_samples import tiny_samples

pytestmark = pytest.mark.long

SHARDS = 3


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[int, list[dict[str, Any]]]:
    """Jobs by number of shards."""
    root = tmp_path_factory.mktemp("eval")
    models = {name: tiny_model_folder(root / name, seed=seed) for seed, name in enumerate(("base", "sft"))}
    inputs = {"samples": tiny_samples(root / "samples"), "corpus": tiny_corpus(root / "corpus")}
    options = {
        "evaluation": {"name": "test", "about": "test", "samples": {"pool": 3, "heldout": 4}},
        "plain": ["base"],
        "longest_prompt": 64,
        "longest_answer": 8,
        "option_likelihood": True,
        "longest_option": 48,
        "batch": 8,
        "heldout": {"documents": 8, "tokens": 16, "batch": 8},
    }
    jobs: dict[int, list[dict[str, Any]]] = {}
    for count in (1, SHARDS):
        jobs[count] = []
        for shard in range(count):
            job = make_job("eval", root / f"{shard}-{count}", inputs=inputs, shard=shard, shards=count)
            job["inputs"] += [
                {"kind": "model", "stage": name, "uri": folder.as_uri()} for name, folder in models.items()
            ]
            job["with"] = options
            assert run_stage(job) == 0, stderr_of(job)
            jobs[count].append(job)
    return jobs


def report_of(job: dict[str, Any]) -> dict[str, Any]:
    return json.loads((Path(job["output"]) / "evaluation" / "report.json").read_text(encoding="utf-8"))


def test_every_number_comes_from_one_shard_and_is_that_of_the_whole(results: dict[int, list[dict]]) -> None:
    whole = result_of(results[1][0])["metrics"]
    shards = [result_of(job)["metrics"] for job in results[SHARDS]]
    seen = [name for metrics in shards for name in metrics if name not in ("models", "tasks", "items")]
    assert len(set(seen)) == len(seen)
    assert {*seen, "models", "tasks", "items"} == whole.keys()
    for metrics in shards:
        for name in metrics.keys() - {"items"}:
            expected = whole[name]
            assert metrics[name] == (None if expected is None else pytest.approx(expected, rel=1e-5)), name
    assert sum(metrics["items"] for metrics in shards) == whole["items"] > 0
    assert sum(metrics["items"] > 0 for metrics in shards) > 1
    assert "base_legal_ppl_lo" in whole and "sft_pool_choice_hi" in whole


def test_the_comparison_with_the_base_is_that_of_the_whole(results: dict[int, list[dict]]) -> None:
    whole = report_of(results[1][0])["verdict"]
    parts = [report_of(job)["verdict"] for job in results[SHARDS]]
    assert {(part["model"], part["base"], part["level"]) for part in parts} == {
        ("sft", "base", whole["level"])
    }
    lines = sorted((line for part in parts for line in part["tasks"]), key=lambda line: line["task"])
    assert lines == sorted(whole["tasks"], key=lambda line: line["task"])
    assert "sentence" in whole and not any("sentence" in part for part in parts)


def test_rows_predictions_and_forgetting_are_those_of_the_whole(results: dict[int, list[dict]]) -> None:
    whole, shards = report_of(results[1][0]), [report_of(job) for job in results[SHARDS]]

    def key(row: dict[str, Any]) -> tuple[str, str]:
        return row["model"], row["task"]

    rows = sorted((row for report in shards for row in report["rows"]), key=key)
    assert rows == sorted(whole["rows"], key=key)
    assert [line for report in shards for line in report["forgetting"]] == [
        {
            name: value if isinstance(value, str) else pytest.approx(value, rel=1e-5)
            for name, value in line.items()
        }
        for line in whole["forgetting"]
    ]

    def predictions(jobs: list[dict[str, Any]]) -> dict[str, str]:
        found = {}
        for job in jobs:
            folder = Path(job["output"]) / "evaluation"
            for path in folder.rglob("predict/*/*.json"):
                name = path.relative_to(folder).as_posix()
                assert name not in found
                found[name] = path.read_text(encoding="utf-8")
        return found

    assert predictions(results[SHARDS]) == predictions(results[1])
    assert len(predictions(results[1])) == 8
