"""Documents of a corpus that a later stage reads again, as plain language modelling, so that it forgets less.

Fine-tuning and RL move a model away from the text it was trained on; a share of that text among their rows holds
it. A replayed row is a document of the corpus's train split with `<|endoftext|>` first, cut to a row, and the loss
counts every token of it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from stages._worker.data.documents import Corpus, chosen_documents, groups_of
from stages._worker.data.tokenizer import Tokenizer
from stages._worker.failures import UserError


@dataclass(frozen=True, kw_only=True, slots=True)
class ReplayRow:
    """One document, cut: `tokens` (at most length + 1,) int32 with `<|endoftext|>` first."""

    id: str
    group: str
    tokens: np.ndarray


def read_replay(
    corpus: Corpus | None, tokenizer: Tokenizer, options: Mapping[str, Any], *, length: int, seed: int
) -> dict[str, list[ReplayRow]]:
    """Rows by group, in an order that (seed, id) alone decides; none where nothing is to be replayed.

    `options` is the `replay` object of a stage's `with`: {share, groups: {group: weight}, documents}: documents a
    group at most. `length` is that of a row in predicted tokens. A UserError names what the corpus lacks.
    """
    if options["share"] == 0:
        return {}
    if corpus is None:
        raise UserError(
            f"with.replay.share is {options['share']}, but the stage has no corpus to read",
            hint="add the stage that makes the corpus to its needs, or set replay.share to 0",
        )
    there = groups_of(corpus, "train")
    rows: dict[str, list[ReplayRow]] = {}
    for group, weight in options["groups"].items():
        if weight == 0:
            continue
        if group not in there:
            raise UserError(
                f"with.replay.groups names {group}, but the corpus has only {', '.join(there)} in its train split"
            )
        chosen = chosen_documents(corpus, "train", group, count=options["documents"], seed=seed)
        encoded = tokenizer.encode_batch([document["text"] for document in chosen])
        rows[group] = [
            ReplayRow(
                id=f"replay:{group}:{document['id']}",
                group=group,
                tokens=np.array([tokenizer.end_of_text, *ids[:length]], dtype=np.int32),
            )
            for document, ids in zip(chosen, encoded, strict=True)
            if ids
        ]
    if not any(rows.values()):
        raise UserError("with.replay has a share, but no group has a weight above 0 and documents")
    return rows


def replay_arrays(
    rows: Mapping[str, list[ReplayRow]],
    weights: Mapping[str, float],
    places: range,
    *,
    length: int,
    padding: int,
    seed: int,
) -> tuple[np.ndarray, np.ndarray]:
    """tokens (B, length + 1) int32 and weights (B, length) fp32 of the rows at `places` of an endless stream.

    A function of (seed, place) alone: a place draws its group by the weights, and then a document of the group.
    """
    groups = [group for group in rows if rows[group] and weights[group] > 0]
    bounds = np.cumsum([weights[group] for group in groups], dtype=np.float64)
    tokens = np.full((len(places), length + 1), padding, np.int32)
    counted = np.zeros((len(places), length), np.float32)
    for row, place in enumerate(places):
        draw = int.from_bytes(hashlib.sha256(f"{seed}:replay:{place}".encode()).digest()[:8]) / 2**64
        group = groups[int(np.searchsorted(bounds, draw * bounds[-1], side="right"))]
        chosen = rows[group]
        stream = np.random.Generator(np.random.Philox(key=[seed, place], counter=[0, 0, 0, 2]))
        found = chosen[int(stream.integers(len(chosen)))].tokens
        tokens[row, : len(found)] = found
        counted[row, : len(found) - 1] = 1
    return tokens, counted
