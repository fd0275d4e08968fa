"""Real data: the demo's, where set-up has fetched it, and slices beside the checkout, where there are any."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.jobs import make_job, make_worker, result_of, run_stage
from tokenizers import ByteLevelBPETokenizer

from stages._worker import jsonl
from stages._worker.data.chat import render_chat
from stages._worker.locations import CHECKOUT, data_folder
from stages.corpus.run import run

SHARED = CHECKOUT.parent / "shared" / "data"
needs_demo_data = pytest.mark.skipif(
    not (data_folder() / "stamp.json").is_file(), reason="the demo data is not fetched: npm run setup"
)
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason=f"no data slices at {SHARED}")
HELDOUT_LAWS = {"反家庭暴力法", "广告法", "电子商务法", "献血法", "旅游法", "律师法", "拍卖法"}


def documents(corpus: Path, split: str, group: str) -> list[dict[str, Any]]:
    return list(jsonl.read(corpus / "documents" / split / f"{group}.jsonl"))


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo")
    job = make_job("corpus", folder, seed=42, **{"with": {"corpus": "demo"}})
    assert run_stage(job) == 0, result_of(job)
    return folder / "output" / "corpus"


@pytest.mark.long
@needs_demo_data
def test_the_demo_corpus_has_its_sizes_and_holds_seven_laws_out(demo: Path) -> None:
    splits = json.loads((demo / "report.json").read_text())["splits"]
    general = sum(splits[split]["general"]["characters"] for split in ("base", "train"))
    legal = sum(splits[split]["legal"]["characters"] for split in ("base", "train"))
    assert 1.6e6 < general < 2.0e6
    assert 0.85e6 < legal < 1.15e6
    assert splits["heldout"]["general"]["documents"] >= 200
    laws = {
        split: {
            row["meta"].get("law", "").removeprefix("中华人民共和国")
            for row in documents(demo, split, "legal")
        }
        for split in ("base", "train", "heldout")
    }
    assert laws["heldout"] - {""} == HELDOUT_LAWS
    assert not HELDOUT_LAWS & (laws["base"] | laws["train"])
    seen: set[str] = set()
    for split in ("base", "train", "heldout"):
        for group in ("general", "legal"):
            ids = {row["id"] for row in documents(demo, split, group)}
            assert not ids & seen
            seen |= ids
    assert all(
        row["status"] == "现行有效" for row in documents(demo, "train", "legal") if "law" in row["meta"]
    )


@pytest.mark.long
@needs_demo_data
def test_the_demo_samples_fit_the_tiny_model(demo: Path, tmp_path: Path) -> None:
    outputs = {"corpus": demo}
    for kind, needs, made in (
        ("lead-prompts", ["corpus"], "prompts"),
        ("lead-synthesize", ["prompts", "corpus"], "trajectories"),
        ("lead-refine", ["trajectories"], "refined"),
        ("lead-judge", ["refined", "corpus"], "samples"),
    ):
        inputs = {name: outputs[name] for name in needs}
        job = make_job(kind, tmp_path / kind, inputs=inputs, seed=42, **{"with": {"lead": "demo"}})
        assert run_stage(job) == 0, result_of(job)
        outputs[made] = tmp_path / kind / "output" / made
    samples = list(jsonl.read(outputs["samples"] / "samples.jsonl"))
    for task in ("statute_recitation", "charge_choice"):
        assert sum(each["task"] == task and each["split"] == "heldout" for each in samples) >= 60
        assert sum(each["task"] == task and each["split"] == "train" for each in samples) >= 200
    assert sorted(each["pool"] for each in samples if each["pool"]) == ["choice"] * 8 + ["memorisation"] * 8
    tokenizer = ByteLevelBPETokenizer()
    tokenizer.train_from_iterator(
        (
            row["text"]
            for split in ("base", "train")
            for group in ("general", "legal")
            for row in documents(demo, split, group)
        ),
        vocab_size=4096,
        special_tokens=["<|im_start|>", "<|im_end|>", "<think>", "</think>"],
        show_progress=False,
    )
    general = list(jsonl.read(outputs["samples"] / "general.jsonl"))
    lengths = sorted(
        len(tokenizer.encode(render_chat(each["messages"])).ids) for each in [*samples, *general]
    )
    assert lengths[-1] <= 84
    assert lengths[int(len(lengths) * 0.95)] <= 80


@needs_shared
def test_statutes_of_mixed_status_keep_those_in_force(tmp_path: Path) -> None:
    config = {
        "name": "shared",
        "version": 1,
        "about": "Slices beside the checkout.",
        "as_of": "2026-10-01",
        "cleaning": {"min_characters": 1, "min_han_share": 0.1},
        "duplicates": {"permutations": 32, "threshold": 0.95},
        "sources": [
            {
                "name": "statutes",
                "group": "legal",
                "license": "see LICENSES.md",
                "format": "jsonl",
                "path": str(SHARED / "statutes.jsonl"),
                "fields": {
                    "text": "text",
                    "title": "《{law}》{article}",
                    "status": "status",
                    "meta": {"law": "law"},
                },
                "validity": {
                    "status": {"column": "status", "in_force": ["现行有效"]},
                    "effective": "effective",
                },
                "split": {"unit": "law", "heldout": {"share": 0.1}},
            },
            {
                "name": "general",
                "group": "general",
                "license": "see LICENSES.md",
                "format": "jsonl",
                "path": str(SHARED / "general.jsonl"),
                "where": {"lang": ["zh"]},
                "fields": {"id": "id", "text": "text", "title": "title"},
                "split": {"heldout": {"share": 0.1}},
            },
        ],
    }
    worker = make_worker("corpus", tmp_path, **{"with": {"corpus": config}})
    run(worker.job, worker)
    worker.close()
    report = json.loads((tmp_path / "output" / "corpus" / "report.json").read_text())
    statutes = report["sources"][0]
    assert statutes["rows"] == 6793
    assert statutes["dropped"]["not_in_force"] == 505 + 323 + 153
    assert statutes["broken"]["rows"] == 0
    laws = [
        {row["meta"]["law"] for row in documents(tmp_path / "output" / "corpus", split, "legal")}
        for split in ("train", "heldout")
    ]
    assert not laws[0] & laws[1]
