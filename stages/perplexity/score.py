"""Scoring and sorting: from documents to cells."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from stages._worker import jsonl
from stages._worker.data.documents import chosen_documents, groups_of, read_documents
from stages._worker.data.tokenizer import Tokenizer
from stages._worker.failures import DataError
from stages._worker.inference.scoring import Scorer
from stages._worker.job import Job
from stages._worker.model import device
from stages._worker.model.folder import load_model
from stages._worker.worker import Worker
from stages.perplexity.bands import BANDS, BandRule, Thresholds
from stages.perplexity.cells import Cell, write_packed


@dataclass(slots=True)
class ScoredGroup:
    """Documents of one group with what the base model says of them."""

    group: str
    ids: list[str]
    tokens: list[list[int]]
    perplexities: np.ndarray


def score_and_pack(job: Job, worker: Worker, rule: BandRule) -> None:
    """The whole stage."""
    options = job.options
    worker.phase("loading")
    device.set_up()
    score = options["score"]
    widths = tuple(
        sorted({*(width for width in score["widths"] if width < score["tokens"]), score["tokens"]})
    )
    network, tokenizer = load_model(job.input("model"), max_length=score["tokens"])
    scorer = Scorer(network, batch=score["batch"], lengths=widths, end_of_text=tokenizer.end_of_text)
    groups = _read_groups(job, tokenizer)
    _score(groups, scorer, worker)

    worker.phase("saving")
    folder = worker.stage_output("packed")
    thresholds = {item.group: rule.thresholds(item.perplexities) for item in groups}
    bands = {item.group: [thresholds[item.group].band(p) for p in item.perplexities] for item in groups}
    cells = [
        Cell(
            group=item.group,
            band=band,
            documents=[t for t, mine in zip(item.tokens, bands[item.group], strict=True) if mine == band],
        )
        for item in groups
        for band in BANDS
    ]
    dropped = {f"{item.group}_above_high": Counter(bands[item.group])[None] for item in groups}
    facts = write_packed(
        folder,
        cells,
        length=options["sequence_length"],
        max_documents=options["max_docs_per_sequence"],
        end_of_document=tokenizer.end_of_text,
        vocabulary=network.config.vocab_size,
        thresholds={group: value.as_json() for group, value in thresholds.items()},
        dropped=dropped,
    )
    jsonl.write(folder / "scores.jsonl", _score_rows(groups, bands))
    jsonl.write_json(folder / "histogram.json", _histogram(groups))
    _report(worker, facts, groups, thresholds)


def _read_groups(job: Job, tokenizer: Tokenizer) -> list[ScoredGroup]:
    corpus: Path = job.input("corpus")
    found = []
    for group in groups_of(corpus, "train"):
        limit = job.options["documents"].get(group)
        documents: Iterable[dict[str, Any]] = (
            read_documents(corpus, "train", group)
            if limit is None
            else chosen_documents(corpus, "train", group, count=limit, seed=job.seed)
        )
        ids, texts = [], []
        for document in documents:
            ids.append(document["id"])
            texts.append(document["text"])
        found.append(
            ScoredGroup(group=group, ids=ids, tokens=tokenizer.encode_batch(texts), perplexities=np.zeros(0))
        )
    if not any(item.ids for item in found):
        raise DataError(f"{corpus}/documents/train has no documents")
    return [item for item in found if item.ids]


def _score(groups: list[ScoredGroup], scorer: Scorer, worker: Worker) -> None:
    """All groups in one go, so that documents of like length share a batch."""
    said = time.monotonic()
    entered = False

    def progress(done: int, of: int) -> None:
        nonlocal said, entered
        worker.raise_if_stopping()
        if not entered:
            worker.phase("training", "scoring")
            entered = True
        if time.monotonic() - said > 1 or done == of:
            worker.progress(done, of, "documents")
            said = time.monotonic()

    worker.phase("compiling")
    scores = scorer.score([tokens for item in groups for tokens in item.tokens], progress)
    perplexities = scores.perplexity()
    begin = 0
    for item in groups:
        item.perplexities = perplexities[begin : begin + len(item.ids)]
        begin += len(item.ids)


def _score_rows(groups: list[ScoredGroup], bands: dict[str, list[str | None]]) -> Iterable[dict[str, Any]]:
    for item in groups:
        for document, perplexity, band, tokens in zip(
            item.ids, item.perplexities, bands[item.group], item.tokens, strict=True
        ):
            yield {
                "id": document,
                "group": item.group,
                "ppl": round(float(perplexity), 4) if np.isfinite(perplexity) else None,
                "band": band or "dropped",
                "tokens": len(tokens),
            }


def _histogram(groups: list[ScoredGroup]) -> dict[str, Any]:
    """Documents by perplexity; edges are evenly spaced in the logarithm, the same for all groups."""
    finite = np.concatenate([item.perplexities for item in groups])
    finite = finite[np.isfinite(finite)]
    edges = np.geomspace(finite.min(), finite.max() * (1 + 1e-9), 41)
    return {
        "edges": [round(float(edge), 4) for edge in edges],
        "groups": [
            {"group": item.group, "counts": np.histogram(item.perplexities, edges)[0].tolist()}
            for item in groups
        ],
    }


def _report(
    worker: Worker, facts: dict[str, Any], groups: list[ScoredGroup], thresholds: dict[str, Thresholds]
) -> None:
    crowded = facts["dropped"]["crowded_tokens"]
    tokens = sum(cell["tokens"] for cell in facts["cells"])
    if crowded > 0.01 * max(tokens, 1):
        worker.warning(
            f"{crowded} tokens were given up because too many short documents fell into one sequence; "
            "raise max_docs_per_sequence or join short documents in the corpus",
            code="crowded_sequences",
        )
    metrics = {
        "documents": sum(len(item.ids) for item in groups),
        "sequences": sum(cell["sequences"] for cell in facts["cells"]),
        "tokens": tokens,
        "dropped_documents": facts["dropped"]["documents"],
        "tail_tokens": facts["dropped"]["tail_tokens"],
    } | {f"{item.group}_median_ppl": float(np.median(item.perplexities)) for item in groups}
    summary = {
        "thresholds": {group: value.as_json() for group, value in thresholds.items()},
        "cells": facts["cells"],
    }
    worker.commit(
        "packed", meta={"sequenceLength": facts["sequenceLength"], "sequences": metrics["sequences"]}
    )
    worker.finish(metrics=metrics, summary=summary)
