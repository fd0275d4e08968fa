"""Scoring and sorting: from documents to cells."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from stages._worker import jsonl
from stages._worker.data.tokenizer import Tokenizer
from stages._worker.failures import DataError
from stages._worker.inference.scoring import Scorer
from stages._worker.job import Job
from stages._worker.model import device
from stages._worker.model.folder import load_model
from stages._worker.worker import Worker
from stages.perplexity.bands import BANDS, BandRule, Thresholds
from stages.perplexity.cells import Cell, write_packed
from stages.perplexity.groups import own_counts, own_windows, sampled_windows
from stages.perplexity.histogram import histogram
from stages.perplexity.prediction import is_measured, predict_rest
from stages.perplexity.results import report
from stages.perplexity.scoring import Known, Progress, score_own, score_sample
from stages.perplexity.spool import Spool
from stages.perplexity.token_scores import TokenScores

PROBED = 32
"""Documents of a group that are scored first where the bands are absolute."""
NARROWEST = 128
"""Tokens; narrower widths save less than their compiling costs."""


def score_and_pack(job: Job, worker: Worker, rule: BandRule) -> None:
    """The whole stage."""
    worker.phase("loading", "the model")
    counts = own_counts(job)
    device.set_up()
    score = job.options["score"]
    widths = _widths(score["tokens"], score["widths"])
    network, tokenizer = load_model(job.input("model"), max_length=score["tokens"])
    scorer = Scorer(network, batch=score["batch"], lengths=widths, end_of_text=tokenizer.end_of_text)
    folder = worker.stage_output("packed")
    worker.phase("compiling", f"the graphs for documents of up to {', '.join(map(str, widths))} tokens")
    if rule.mode == "absolute":
        first = own_windows(job, tokenizer, counts, first=PROBED)
        _check_reach(rule, score_sample(first, scorer, per_token=False))
    known, spools = _score(job, worker, rule, scorer, tokenizer, counts, folder)

    documents = sum(len(spool.perplexities) for spool in spools.values())
    worker.phase("saving", f"sorting {documents:,} documents into bands, and packing them")
    thresholds = _thresholds(rule, known, spools)
    predictor = None
    if any(spool.predicted.any() for spool in spools.values()):
        predictor = predict_rest(
            spools,
            thresholds,
            tokens=score["tokens"],
            vocabulary=network.config.vocab_size,
            seed=job.seed,
        )
    bands = {group: thresholds[group].bands(spool.perplexities) for group, spool in spools.items()}
    _check_kept(job, worker, thresholds, spools, bands)
    facts = write_packed(
        folder,
        [
            Cell(group=group, band=band, documents=_tokens(worker, spool, bands[group] == number, band))
            for group, spool in spools.items()
            for number, band in enumerate(BANDS)
        ],
        length=job.options["sequence_length"],
        max_documents=job.options["max_docs_per_sequence"],
        end_of_document=tokenizer.end_of_text,
        vocabulary=network.config.vocab_size,
        thresholds={group: value.as_json() for group, value in thresholds.items()},
        dropped={f"{group}_above_high": int((mine == len(BANDS)).sum()) for group, mine in bands.items()},
        sampled={group: len(mine) for group, mine in _by_group(known).items()},
        predictor=predictor,
    )
    jsonl.write(folder / "scores.jsonl", _score_rows(spools, bands))
    perplexities = {group: spool.perplexities for group, spool in spools.items()}
    jsonl.write_json(folder / "histogram.json", histogram(perplexities))
    report(worker, facts, perplexities, split=job.shards > 1)


def _widths(tokens: int, widths: list[int] | None) -> tuple[int, ...]:
    """Where none are named: halves of `tokens` down to 128, so that no document is padded to twice its length."""
    if widths is None:
        halves = [tokens >> i for i in range(1, tokens.bit_length())]
        widths = [width for width in halves if width >= NARROWEST]
    return tuple(sorted({*(width for width in widths if width < tokens), tokens}))


def _check_reach(rule: BandRule, probed: Known) -> None:
    """Refuses thresholds far from what this model gives, before all documents are scored for nothing."""
    for group, mine in _by_group(probed).items():
        high = rule.thresholds(mine).high
        if len(mine) >= PROBED // 2 and mine.min() >= 2 * high:
            raise DataError(
                f"of {len(mine)} documents of {group} that were scored first, the lowest perplexity is "
                f"{mine.min():.6g} and the median {np.median(mine):.6g}; what is {high:.6g} or more is dropped",
                hint="this model cannot reach these bands: take `mode: quantile`, whose numbers are shares of the "
                "documents, or raise bands.low, bands.middle and bands.high",
            )


def _score(
    job: Job,
    worker: Worker,
    rule: BandRule,
    scorer: Scorer,
    tokenizer: Tokenizer,
    counts: dict[str, int],
    folder: Path,
) -> tuple[Known, dict[str, Spool]]:
    """Quantiles of a share would differ from shard to shard: all take them from the same documents, which they score
    first and by themselves, so that every shard computes them alike."""
    per_token = job.options["per_token"]
    tokens = TokenScores(folder) if per_token else None
    if rule.mode == "quantile" and job.shards > 1:
        sample = list(sampled_windows(job, tokenizer, rule.sample))
    else:
        sample = []
    progress = Progress(worker, sum(counts.values()) + sum(len(window) for window in sample))
    known = score_sample(sample, scorer, progress, per_token=per_token)
    share = job.options["predict"]["share"]
    windows = own_windows(job, tokenizer, counts)
    spools = score_own(
        job,
        windows,
        known,
        scorer,
        progress,
        measured=lambda document: is_measured(job.seed, document.name, share),
        tokens=tokens,
    )
    if tokens is not None:
        tokens.close()
    return known, spools


def _thresholds(rule: BandRule, known: Known, spools: dict[str, Spool]) -> dict[str, Thresholds]:
    if known:
        return {group: rule.thresholds(mine) for group, mine in _by_group(known).items()}
    return {group: rule.thresholds(spool.perplexities[~spool.predicted]) for group, spool in spools.items()}


def _by_group(known: Known) -> dict[str, np.ndarray]:
    groups: dict[str, list[float]] = {}
    for (group, _), (perplexity, _) in known.items():
        groups.setdefault(group, []).append(perplexity)
    return {group: np.array(mine) for group, mine in groups.items()}


def _check_kept(
    job: Job,
    worker: Worker,
    thresholds: dict[str, Thresholds],
    spools: dict[str, Spool],
    bands: dict[str, np.ndarray],
) -> None:
    """A group that loses every document would be missing from the mixture without a word."""
    for group, mine in bands.items():
        if (mine < len(BANDS)).any():
            continue
        seen = float(spools[group].perplexities.min())
        message = (
            f"each of the {len(mine)} documents of {group} has a perplexity of {thresholds[group].high:.6g} "
            f"or more and is dropped; the lowest is {seen:.6g}"
        )
        if job.shards == 1:
            raise DataError(
                message, hint="raise bands.high, take `mode: quantile`, or leave the group out of the corpus"
            )
        worker.warning(f"{message} (shard {job.shard} of {job.shards})", code="group_dropped")


def _tokens(worker: Worker, spool: Spool, chosen: np.ndarray, band: str) -> Iterator[list[int]]:
    worker.phase("saving", f"packing {int(chosen.sum()):,} documents of {spool.group}, {band}")
    for tokens in spool.documents(chosen):
        yield tokens.tolist()


def _score_rows(spools: dict[str, Spool], bands: dict[str, np.ndarray]) -> Iterable[dict[str, Any]]:
    names = (*BANDS, "dropped")
    for group, spool in spools.items():
        for name, perplexity, band, tokens, predicted in zip(
            spool.names(), spool.perplexities, bands[group], spool.sizes, spool.predicted, strict=True
        ):
            row = {
                "id": name,
                "group": group,
                "ppl": round(float(perplexity), 4) if np.isfinite(perplexity) else None,
                "band": names[band],
                "tokens": int(tokens),
            }
            yield row | {"predicted": True} if predicted else row
