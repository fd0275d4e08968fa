"""perplexity in three shards beside perplexity in one part: the same documents, scores, bands and tokens."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.jobs import make_job, result_of, run_stage
from support.shards import outputs_of, run_shards, summed
from support.tiny_corpus import tiny_corpus
from support.tiny_model import tiny_model_folder

from stages._worker import jsonl
from stages._worker.data.documents import chosen_documents, read_documents
from stages._worker.data.packed import PackedData
from stages._worker.data.tokenizer import load_tokenizer

LENGTH = 16
OPTIONS = {
    "sequence_length": LENGTH,
    "documents": {"general": 50},
    "score": {"tokens": 24, "widths": [16], "batch": 16},
    "bands": {"mode": "quantile", "low": 0.3, "middle": 0.6, "high": 0.9},
}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("perplexity")


@pytest.fixture(scope="module")
def inputs(root: Path) -> dict[str, Path]:
    return {
        "corpus": tiny_corpus(root / "corpus", documents=60),
        "model": tiny_model_folder(root / "model", seed=3),
    }


@pytest.fixture(scope="module")
def whole(root: Path, inputs: dict[str, Path]) -> dict[str, Any]:
    return run_shards("perplexity", root / "whole", 1, inputs=inputs, **{"with": OPTIONS})[0]


@pytest.fixture(scope="module")
def shards(root: Path, inputs: dict[str, Path]) -> list[dict[str, Any]]:
    """The sample holds every document of the group, so that its quantiles are those of the whole."""
    return run_shards("perplexity", root / "shards", 3, inputs=inputs, **{"with": OPTIONS})


def scores_of(folders: list[Path]) -> dict[str, dict[str, Any]]:
    rows = [row for folder in folders for row in jsonl.read(folder / "scores.jsonl")]
    assert len({row["id"] for row in rows}) == len(rows)
    return {row["id"]: row for row in rows}


def facts_of(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "cells.json").read_text(encoding="utf-8"))


def test_every_document_is_scored_in_one_shard_with_the_same_result(whole: dict, shards: list[dict]) -> None:
    one, three = scores_of(outputs_of([whole], "packed")), scores_of(outputs_of(shards, "packed"))
    assert one.keys() == three.keys() and len(one) == 50 + 60
    for name, row in one.items():
        other = three[name]
        assert (other["group"], other["band"], other["tokens"]) == (row["group"], row["band"], row["tokens"])
        assert other["ppl"] == pytest.approx(row["ppl"], rel=1e-5)
    sizes = [len(scores_of([folder])) for folder in outputs_of(shards, "packed")]
    assert max(sizes) - min(sizes) <= 2
    assert summed(shards, "documents") == result_of(whole)["metrics"]["documents"]
    assert summed(shards, "dropped_documents") == result_of(whole)["metrics"]["dropped_documents"]


def test_all_shards_have_the_thresholds_of_the_whole(whole: dict, shards: list[dict]) -> None:
    one = facts_of(outputs_of([whole], "packed")[0])
    facts = [facts_of(folder) for folder in outputs_of(shards, "packed")]
    assert facts[0]["thresholds"] == facts[1]["thresholds"] == facts[2]["thresholds"]
    for group, ends in one["thresholds"].items():
        assert facts[0]["thresholds"][group] == pytest.approx(ends, rel=1e-5)
    assert facts[0]["sampled"] == {"general": 50, "legal": 60} and "sampled" not in one


def test_the_histograms_of_the_shards_add_up_to_that_of_the_whole(whole: dict, shards: list[dict]) -> None:
    def counts(jobs: list[dict]) -> Counter[tuple[str, float]]:
        found: Counter[tuple[str, float]] = Counter()
        for folder in outputs_of(jobs, "packed"):
            content = json.loads((folder / "histogram.json").read_text(encoding="utf-8"))
            for group in content["groups"]:
                for edge, count in zip(content["edges"], group["counts"], strict=False):
                    found[group["group"], edge] += count
        return found

    one, three = counts([whole]), counts(shards)
    assert +one == +three and one.total() == 50 + 60
    # What the rule of stage.yaml takes the median of all documents from.
    for group, documents in (("general", 50), ("legal", 60)):
        parts = [result_of(job)["summary"]["distributions"][f"{group}_median_ppl"] for job in shards]
        assert sum(sum(part["counts"]) for part in parts) == documents
        assert all(len(part["edges"]) == len(part["counts"]) + 1 for part in parts)
    assert "distributions" not in result_of(whole)["summary"]


def test_every_token_of_every_cell_is_packed_or_counted(
    inputs: dict[str, Path], whole: dict, shards: list[dict]
) -> None:
    """The sequences of the shards, cut into documents again, are the documents of the cell but for dropped tails."""
    tokenizer = load_tokenizer(inputs["model"])
    folders = outputs_of(shards, "packed")
    scores = scores_of(folders)
    data = PackedData(*folders)
    cells = data.cell_of_row()
    tokens: Counter[tuple[str, str, int]] = Counter()
    corpus = inputs["corpus"]
    documents = [
        *chosen_documents(corpus, "train", "general", count=50, seed=7),
        *read_documents(corpus, "train", "legal"),
    ]
    for document in documents:
        score = scores[document["id"]]
        for token in [*tokenizer.encode(document["text"]), tokenizer.end_of_text]:
            tokens[score["group"], score["band"], token] += 1
    packed: Counter[tuple[str, str, int]] = Counter()
    for row in range(len(data)):
        cell = data.cells[cells[row]]
        for token in data.rows(np.array([row]))[0].tolist():
            packed[cell["group"], cell["band"], token] += 1
    assert not packed - tokens  # nothing is there that no document of the cell has
    lost = sum((tokens - packed).values()) - sum(
        score["tokens"] + 1 for score in scores.values() if score["band"] == "dropped"
    )
    dropped = [facts_of(folder)["dropped"] for folder in folders]
    assert lost == sum(each["tail_tokens"] + each["crowded_tokens"] for each in dropped)
    # Each shard drops at most one tail a cell: packing does not cross shards.
    assert lost - facts_of(outputs_of([whole], "packed")[0])["dropped"]["tail_tokens"] < 3 * 6 * LENGTH
    assert summed(shards, "sequences") == len(data)
    assert summed(shards, "tokens") == len(data) * (LENGTH + 1)


@pytest.mark.long
def test_a_small_sample_gives_all_shards_the_same_thresholds(root: Path, inputs: dict[str, Path]) -> None:
    bands = {**OPTIONS["bands"], "sample": 20}
    jobs = run_shards(
        "perplexity", root / "sample", 2, inputs=inputs, **{"with": {**OPTIONS, "bands": bands}}
    )
    facts = [facts_of(folder) for folder in outputs_of(jobs, "packed")]
    assert facts[0]["thresholds"] == facts[1]["thresholds"]
    assert facts[0]["sampled"] == {"general": 20, "legal": 20}
    assert len(PackedData(*outputs_of(jobs, "packed"))) == summed(jobs, "sequences")
    scores = scores_of(outputs_of(jobs, "packed"))
    assert len(scores) == 110
    # 20 of 60: the standard error of a share of 0.3 is 0.1; three of them.
    low = [row for row in scores.values() if row["band"] == "low" and row["group"] == "legal"]
    assert 0 < len(low) < 0.6 * 60


def test_more_shards_than_documents_are_refused_with_a_hint(root: Path, inputs: dict[str, Path]) -> None:
    job = make_job("perplexity", root / "many", inputs=inputs, shard=99, shards=100, **{"with": OPTIONS})
    assert run_stage(job) == 65
    assert "no document for shard 99 of 100" in result_of(job)["message"]
    assert result_of(job)["hint"] == "split the stage in fewer shards"


def test_a_stage_that_takes_one_input_refuses_the_artifacts_of_shards(
    root: Path, inputs: dict[str, Path]
) -> None:
    job = make_job("perplexity", root / "twice", inputs=inputs, **{"with": OPTIONS})
    job["inputs"] += [item for item in job["inputs"] if item["kind"] == "corpus"]
    assert run_stage(job) == 65
    assert "takes one input of kind corpus; there are 2" in result_of(job)["message"]
