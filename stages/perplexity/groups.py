"""The documents a shard scores, group by group, as a stream."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from stages._worker.data.documents import chosen_documents, documents_files, groups_of, read_documents
from stages._worker.data.tokenizer import Tokenizer
from stages._worker.failures import DataError
from stages._worker.job import Job

WINDOW_DOCUMENTS = 8192
WINDOW_TOKENS = 16_000_000
"""A window ends at whichever comes first: what is in memory of the documents at a time, 64 MB of tokens."""
_AT_ONCE = 256
"""Documents that are tokenised at once; the tokenizer's own records are far larger than the tokens."""


@dataclass(slots=True, frozen=True)
class Document:
    """One document with its tokens, int32."""

    group: str
    name: str
    tokens: np.ndarray


def own_counts(job: Job) -> dict[str, int]:
    """Documents of each group in this shard's share. Refuses a corpus without documents and a group without any."""
    corpora = training_folders(job)
    counts = {}
    for group in groups_of(corpora, "train"):
        lines = sum(1 for _ in read_lines(corpora, group))
        if lines == 0:
            raise DataError(
                f"{documents_files(corpora, 'train', group)[0]} has no document",
                hint=f"give the corpus a source of {group} whose documents are kept, or leave the group out",
            )
        taken = min(lines, job.options["documents"].get(group, lines))
        counts[group] = len(range(job.shard, taken, job.shards))
    if not sum(counts.values()):
        raise DataError(
            f"{corpora[0]}/documents/train has no documents"
            if job.shards == 1
            else f"{corpora[0]}/documents/train has no document for shard {job.shard} of {job.shards}",
            hint=None if job.shards == 1 else "split the stage in fewer shards",
        )
    return {group: count for group, count in counts.items() if count}


def training_folders(job: Job) -> list[Path]:
    """The corpus, and what the shards of synthetic stages wrote beside it: read as one."""
    return [job.input("corpus"), *(item.folder for item in job.inputs_of("synthetic"))]


def read_lines(corpora: Sequence[Path], group: str) -> Iterator[bytes]:
    """Lines of a group's files that hold a document."""
    for path in documents_files(corpora, "train", group):
        with path.open("rb") as file:
            yield from (line for line in file if line.strip())


def own_windows(
    job: Job, tokenizer: Tokenizer, groups: Iterable[str], first: int | None = None
) -> Iterator[list[Document]]:
    """This shard's share, every `shards`-th document of a group in the order of the corpus, window by window; the
    `first` of each group, where so many are asked for."""
    corpora = training_folders(job)
    chosen = (
        (group, islice(islice(_documents(job, corpora, group), job.shard, None, job.shards), first))
        for group in groups
    )
    return _windows(chosen, tokenizer)


def sampled_windows(job: Job, tokenizer: Tokenizer, count: int) -> Iterator[list[Document]]:
    """At most `count` documents of every group, the same in every shard: those with the smallest hash."""
    corpora = training_folders(job)
    limits = {group: job.options["documents"].get(group, count) for group in groups_of(corpora, "train")}
    chosen = (
        (group, chosen_documents(corpora, "train", group, count=min(count, limit), seed=job.seed))
        for group, limit in limits.items()
    )
    return _windows(chosen, tokenizer)


def _documents(job: Job, corpora: Sequence[Path], group: str) -> Iterable[dict[str, Any]]:
    limit = job.options["documents"].get(group)
    if limit is None:
        return read_documents(corpora, "train", group)
    return chosen_documents(corpora, "train", group, count=limit, seed=job.seed)


def _windows(
    groups: Iterable[tuple[str, Iterable[dict[str, Any]]]], tokenizer: Tokenizer
) -> Iterator[list[Document]]:
    window: list[Document] = []
    tokens = 0
    for group, documents in groups:
        stream = iter(documents)
        while part := list(islice(stream, _AT_ONCE)):
            encoded = tokenizer.encode_batch([document["text"] for document in part])
            for document, ids in zip(part, encoded, strict=True):
                window.append(Document(group, document["id"], np.array(ids, np.int32)))
                tokens += len(ids)
                if len(window) == WINDOW_DOCUMENTS or tokens >= WINDOW_TOKENS:
                    yield window
                    window, tokens = [], 0
    if window:
        yield window
