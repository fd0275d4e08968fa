"""lead-judge in three shards beside lead-judge in one part: read together, they are the same samples to the byte."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.jobs import result_of
from support.legal_corpus import legal_corpus, small_lead
from support.shards import outputs_of, run_shards, summed

from stages._worker.data.samples import read_general, read_samples


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("judge")


@pytest.fixture(scope="module")
def chain(root: Path) -> dict[str, Any]:
    """corpus and refined rows; the lead config."""
    lead = small_lead()
    # Some marks fall below the limit, so that spare prompts have to stand in.
    lead["quality"]["lowest"] = 8
    outputs: dict[str, Path] = {"corpus": legal_corpus(root / "corpus")}
    for kind, needs, made in (
        ("lead-prompts", ["corpus"], "prompts"),
        ("lead-synthesize", ["prompts", "corpus"], "trajectories"),
        ("lead-refine", ["trajectories"], "refined"),
    ):
        inputs = {name: outputs[name] for name in needs}
        jobs = run_shards(kind, root / kind, 1, inputs=inputs, **{"with": {"lead": lead}})
        outputs[made] = outputs_of(jobs, made)[0]
    return {"inputs": {name: outputs[name] for name in ("refined", "corpus")}, "lead": lead}


def test_three_shards_are_the_one_stage(root: Path, chain: dict[str, Any]) -> None:
    fields = {"inputs": chain["inputs"], "with": {"lead": chain["lead"]}}
    whole = run_shards("lead-judge", root / "whole", 1, **fields)
    shards = run_shards("lead-judge", root / "shards", 3, **fields)
    one, three = outputs_of(whole, "samples"), outputs_of(shards, "samples")
    told: list[str] = []
    assert json.dumps(read_samples(three, told.append)) == json.dumps(read_samples(one))
    assert json.dumps(read_general(three)) == json.dumps(read_general(one))
    for metric in ("train_samples", "heldout_samples", "general_samples", "judged", "dropped"):
        assert summed(shards, metric) == result_of(whole[0])["metrics"][metric], metric
    results = [result_of(job)["metrics"] for job in shards]
    mean = sum(each["mean_overall"] * each["judged"] for each in results) / summed(shards, "judged")
    assert mean == pytest.approx(result_of(whole[0])["metrics"]["mean_overall"], abs=2e-3)
    assert result_of(whole[0])["metrics"]["train_samples"] > 0
    assert all(each["judged"] > 0 for each in results)
    assert "place" not in (one[0] / "samples.jsonl").read_text(encoding="utf-8")
    pools = {row["pool"] for row in read_samples(three)} - {None}
    assert pools == {"memorisation", "choice"}
