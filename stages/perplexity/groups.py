"""The documents a shard scores, group by group."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from stages._worker.data.documents import chosen_documents, groups_of, read_documents
from stages._worker.data.tokenizer import Tokenizer
from stages._worker.failures import DataError
from stages._worker.job import Job


@dataclass(slots=True)
class ScoredGroup:
    """Documents of one group with what the base model says of them."""

    group: str
    ids: list[str]
    tokens: list[list[int]]
    perplexities: np.ndarray


def own_groups(job: Job, tokenizer: Tokenizer) -> list[ScoredGroup]:
    """This shard's share: every `shards`-th document of a group, in the order of the corpus."""
    corpus = job.input("corpus")
    found = [
        _tokenised(group, islice(_documents(job, corpus, group), job.shard, None, job.shards), tokenizer)
        for group in groups_of(corpus, "train")
    ]
    if not any(item.ids for item in found):
        raise DataError(
            f"{corpus}/documents/train has no documents"
            if job.shards == 1
            else f"{corpus}/documents/train has no document for shard {job.shard} of {job.shards}",
            hint=None if job.shards == 1 else "split the stage in fewer shards",
        )
    return [item for item in found if item.ids]


def sampled_groups(job: Job, tokenizer: Tokenizer, count: int) -> list[ScoredGroup]:
    """At most `count` documents of every group, the same in every shard: those with the smallest hash."""
    corpus = job.input("corpus")
    found = []
    for group in groups_of(corpus, "train"):
        limit = job.options["documents"].get(group, count)
        documents = chosen_documents(corpus, "train", group, count=min(count, limit), seed=job.seed)
        found.append(_tokenised(group, documents, tokenizer))
    return [item for item in found if item.ids]


def _documents(job: Job, corpus: Path, group: str) -> Iterable[dict[str, Any]]:
    limit = job.options["documents"].get(group)
    if limit is None:
        return read_documents(corpus, "train", group)
    return chosen_documents(corpus, "train", group, count=limit, seed=job.seed)


def _tokenised(group: str, documents: Iterable[dict[str, Any]], tokenizer: Tokenizer) -> ScoredGroup:
    ids, texts = [], []
    for document in documents:
        ids.append(document["id"])
        texts.append(document["text"])
    return ScoredGroup(group=group, ids=ids, tokens=tokenizer.encode_batch(texts), perplexities=np.zeros(0))
