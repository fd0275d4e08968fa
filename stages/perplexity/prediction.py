"""Perplexities of documents that were not measured, and how far they can be trusted."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from itertools import islice
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from stages._worker.failures import DataError
from stages.perplexity.bands import BANDS, Thresholds
from stages.perplexity.predictor import Predictor, fit
from stages.perplexity.spool import Spool

LEAST = 100
"""Measured documents without which nothing is learned."""
MOST = 50_000
"""Measured documents that are learned from at most: bounds memory and time."""
_AT_ONCE = 2048


def is_measured(seed: int, name: str, share: float) -> bool:
    """Whether a document belongs to the share that the model scores: a function of (seed, id)."""
    if share >= 1:
        return True
    place = hashlib.sha256(f"{seed}:measured:{name}".encode()).digest()[:8]
    return int.from_bytes(place, "big") < share * 2**64


def predict_rest(
    spools: dict[str, Spool], thresholds: dict[str, Thresholds], *, tokens: int, vocabulary: int, seed: int
) -> dict[str, Any]:
    """Fills in what waits in the spools, from the first `tokens` of each document; says how well it agrees.

    A fifth of the measured documents is held out: {measured, heldout, predicted, spearman, same_band, confusion},
    confusion as counts by measured and then predicted band. Raises DataError with fewer than LEAST measured.
    """
    documents, groups, perplexities = _measured(spools, tokens, seed)
    if len(documents) < LEAST:
        raise DataError(
            f"{len(documents)} measured documents are too few to predict the others from; {LEAST} are needed",
            hint="raise predict.share, or split the stage in fewer shards",
        )
    held = len(documents) // 5
    predictor = fit(documents[held:], perplexities[held:], vocabulary=vocabulary)
    guessed = predictor.predict(documents[:held])
    facts = _agreement(thresholds, groups[:held], perplexities[:held], guessed)
    waiting = 0
    for spool in spools.values():
        waiting += int(spool.predicted.sum())
        spool.predict(np.concatenate([np.zeros(0), *_in_parts(spool, predictor, tokens)]))
    return {"measured": sum(map(len, spools.values())) - waiting, "predicted": waiting, **facts}


def _measured(
    spools: dict[str, Spool], tokens: int, seed: int
) -> tuple[list[np.ndarray], list[str], np.ndarray]:
    """Measured documents with tokens, at most MOST, in a seeded order."""
    chosen = [
        np.flatnonzero(~spool.predicted & (spool.sizes > 0) & np.isfinite(spool.perplexities))
        for spool in spools.values()
    ]
    stream = np.random.default_rng(seed)
    total = sum(map(len, chosen))
    kept = np.sort(stream.permutation(total)[:MOST])
    documents, groups, perplexities = [], [], []
    begin = 0
    for (group, spool), places in zip(spools.items(), chosen, strict=True):
        mine = places[kept[(kept >= begin) & (kept < begin + len(places))] - begin]
        begin += len(places)
        mask = np.zeros(len(spool), np.bool_)
        mask[mine] = True
        documents += [document[:tokens].copy() for document in spool.documents(mask)]
        groups += [group] * len(mine)
        perplexities += spool.perplexities[mine].tolist()
    order = stream.permutation(len(documents))
    return [documents[i] for i in order], [groups[i] for i in order], np.array(perplexities)[order]


def _in_parts(spool: Spool, predictor: Predictor, tokens: int) -> Iterator[np.ndarray]:
    documents = spool.documents(spool.predicted)
    while part := [document[:tokens] for document in islice(documents, _AT_ONCE)]:
        yield predictor.predict(part)


def _agreement(
    thresholds: dict[str, Thresholds], groups: list[str], measured: np.ndarray, guessed: np.ndarray
) -> dict[str, Any]:
    names = (*BANDS, "dropped")
    confusion = {one: dict.fromkeys(names, 0) for one in names}
    for group, true, guess in zip(groups, measured, guessed, strict=True):
        row = thresholds[group].band(true) or "dropped"
        confusion[row][thresholds[group].band(guess) or "dropped"] += 1
    rank = (
        float(spearmanr(measured, guessed).statistic) if np.ptp(guessed) > 0 and np.ptp(measured) > 0 else 0.0
    )
    return {
        "heldout": len(groups),
        "spearman": round(rank, 6),
        "same_band": round(sum(confusion[name][name] for name in names) / len(groups), 6),
        "confusion": confusion,
    }
