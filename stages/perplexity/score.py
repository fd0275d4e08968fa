"""Scoring and sorting: from documents to cells."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from stages._worker import jsonl
from stages._worker.inference.scoring import Scorer
from stages._worker.job import Job
from stages._worker.model import device
from stages._worker.model.folder import load_model
from stages._worker.worker import Worker
from stages.perplexity.bands import BANDS, BandRule
from stages.perplexity.cells import Cell, write_packed
from stages.perplexity.groups import ScoredGroup, own_groups, sampled_groups
from stages.perplexity.histogram import distribution, histogram


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
    groups = own_groups(job, tokenizer)
    # Quantiles of a share would differ from shard to shard: all shards take them from the same documents.
    sample = sampled_groups(job, tokenizer, rule.sample) if rule.mode == "quantile" and job.shards > 1 else []
    _score(groups, sample, scorer, worker)

    worker.phase("saving")
    folder = worker.stage_output("packed")
    thresholds = {item.group: rule.thresholds(item.perplexities) for item in sample or groups}
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
        sampled={item.group: len(item.ids) for item in sample},
    )
    jsonl.write(folder / "scores.jsonl", _score_rows(groups, bands))
    perplexities = {item.group: item.perplexities for item in groups}
    jsonl.write_json(folder / "histogram.json", histogram(perplexities))
    _report(worker, facts, perplexities, split=job.shards > 1)


def _score(groups: list[ScoredGroup], sample: list[ScoredGroup], scorer: Scorer, worker: Worker) -> None:
    """The sample first and by itself, so that every shard computes it alike; what is known then is not scored again."""
    progress = _Progress(worker)
    worker.phase("compiling")
    _score_all(sample, scorer, progress)
    known = {
        (item.group, name): perplexity
        for item in sample
        for name, perplexity in zip(item.ids, item.perplexities, strict=True)
    }
    rest = [_unknown(item, known) for item in groups]
    _score_all(rest, scorer, progress)
    for item, scored in zip(groups, rest, strict=True):
        fresh = iter(scored.perplexities)
        item.perplexities = np.array(
            [known[item.group, name] if (item.group, name) in known else next(fresh) for name in item.ids]
        )


def _unknown(item: ScoredGroup, known: dict[tuple[str, str], float]) -> ScoredGroup:
    chosen = [place for place, name in enumerate(item.ids) if (item.group, name) not in known]
    return ScoredGroup(
        group=item.group,
        ids=[item.ids[place] for place in chosen],
        tokens=[item.tokens[place] for place in chosen],
        perplexities=np.zeros(0),
    )


def _score_all(groups: list[ScoredGroup], scorer: Scorer, progress: _Progress) -> None:
    """All groups in one go, so that documents of like length share a batch."""
    documents = [tokens for item in groups for tokens in item.tokens]
    if not documents:
        return
    perplexities = scorer.score(documents, progress.of_pass()).perplexity()
    begin = 0
    for item in groups:
        item.perplexities = perplexities[begin : begin + len(item.ids)]
        begin += len(item.ids)


class _Progress:
    """Says about once a second how far the scoring is; a second pass counts on from the first."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._said: float | None = None
        self._done = 0

    def of_pass(self) -> Callable[[int, int], None]:
        """Takes (done, of) of one pass, until the next one begins."""
        before = self._done

        def progress(done: int, of: int) -> None:
            self._worker.raise_if_stopping()
            if self._said is None:
                self._worker.phase("training", "scoring")
                self._said = time.monotonic()
            self._done = before + done
            if time.monotonic() - self._said > 1 or done == of:
                self._worker.progress(self._done, before + of, "documents")
                self._said = time.monotonic()

        return progress


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


def _report(
    worker: Worker, facts: dict[str, Any], perplexities: dict[str, np.ndarray], *, split: bool
) -> None:
    crowded = facts["dropped"]["crowded_tokens"]
    tokens = sum(cell["tokens"] for cell in facts["cells"])
    if crowded > 0.01 * max(tokens, 1):
        worker.warning(
            f"{crowded} tokens were given up because too many short documents fell into one sequence; "
            "raise max_docs_per_sequence or join short documents in the corpus",
            code="crowded_sequences",
        )
    scored = {group: mine[np.isfinite(mine)] for group, mine in perplexities.items()}
    scored = {group: mine for group, mine in scored.items() if len(mine)}
    metrics = {
        "documents": sum(len(mine) for mine in perplexities.values()),
        "sequences": sum(cell["sequences"] for cell in facts["cells"]),
        "tokens": tokens,
        "dropped_documents": facts["dropped"]["documents"],
        "tail_tokens": facts["dropped"]["tail_tokens"],
    } | {f"{group}_median_ppl": float(np.median(mine)) for group, mine in scored.items()}
    summary = {name: facts[name] for name in ("thresholds", "cells", "sampled") if name in facts}
    if split:
        summary["distributions"] = {
            f"{group}_median_ppl": distribution(mine) for group, mine in scored.items()
        }
    worker.commit(
        "packed", meta={"sequenceLength": facts["sequenceLength"], "sequences": metrics["sequences"]}
    )
    worker.finish(metrics=metrics, summary=summary)
