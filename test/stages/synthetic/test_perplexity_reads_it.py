"""perplexity with what two shards of a synthetic stage wrote beside the corpus: the third group, packed as the others."""

from __future__ import annotations

import json
from pathlib import Path

from support.jobs import make_job, result_of, run_stage, stderr_of
from support.tiny_corpus import tiny_corpus
from support.tiny_model import tiny_model_folder

from stages._worker import jsonl
from stages._worker.data.documents import read_documents

OPTIONS = {
    "sequence_length": 16,
    "score": {"tokens": 24, "widths": [16], "batch": 16},
    "bands": {"mode": "quantile", "low": 0.3, "middle": 0.6, "high": 1},
}


def written(folder: Path, corpus: Path, first: int, count: int) -> Path:
    """A part with legal documents of the corpus under other ids."""
    rows = list(read_documents(corpus, "train", "legal"))[first : first + count]
    documents = [{**row, "id": f"synthetic/{row['id']}", "group": "synthetic"} for row in rows]
    jsonl.write(folder / "documents" / "train" / "synthetic.jsonl", documents)
    return folder


def test_the_third_group_is_scored_and_packed(tmp_path: Path) -> None:
    corpus = tiny_corpus(tmp_path / "corpus", documents=30)
    inputs = {"corpus": corpus, "model": tiny_model_folder(tmp_path / "model", seed=3)}
    job = make_job("perplexity", tmp_path / "job", inputs=inputs, **{"with": OPTIONS})
    parts = [
        written(tmp_path / f"part-{first}", corpus, first, count)
        for first, count in ((0, 12), (12, 10), (22, 0))
    ]
    beside = [{"kind": "synthetic", "stage": "synthetic", "uri": part.as_uri()} for part in parts]
    job["inputs"] += beside
    assert run_stage(job) == 0, stderr_of(job)
    facts = json.loads((tmp_path / "job" / "output" / "packed" / "cells.json").read_text())
    assert {cell["group"] for cell in facts["cells"]} == {"general", "legal", "synthetic"}
    scores = list(jsonl.read(tmp_path / "job" / "output" / "packed" / "scores.jsonl"))
    ids = [row["id"] for row in scores if row["group"] == "synthetic"]
    assert ids == [row["id"] for part in parts for row in read_documents(part, "train", "synthetic")]
    same = {row["id"]: row["ppl"] for row in scores}
    assert all(abs(same[name] - same[name.removeprefix("synthetic/")]) < 1e-3 * same[name] for name in ids)
    assert result_of(job)["metrics"]["synthetic_median_ppl"] > 0

    job["inputs"] = [*job["inputs"][:2], beside[2]]
    assert run_stage(job) == 65
    assert "part-22/documents/train/synthetic.jsonl has no document" in result_of(job)["message"]
