"""From the stream of documents to a spool a group with the perplexity of each."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator

import numpy as np

from stages._worker.inference.scoring import Scorer
from stages._worker.job import Job
from stages._worker.worker import Worker
from stages.perplexity.groups import Document
from stages.perplexity.spool import Spool
from stages.perplexity.token_scores import TokenScores

Known = dict[tuple[str, str], tuple[float, np.ndarray]]
"""By group and id: perplexity, and -log p of each token (empty unless asked for)."""


def score_sample(
    windows: Iterable[list[Document]], scorer: Scorer, progress: Progress | None = None, *, per_token: bool
) -> Known:
    """Scores documents that every shard scores alike; who chose them bounds how many they are."""
    known: Known = {}
    for window in windows:
        for document, perplexity, tokens in _scored(window, scorer, progress, per_token=per_token):
            known[document.group, document.name] = (perplexity, tokens)
    return known


def score_own(
    job: Job,
    windows: Iterable[list[Document]],
    known: Known,
    scorer: Scorer,
    progress: Progress,
    *,
    measured: Callable[[Document], bool],
    tokens: TokenScores | None,
) -> dict[str, Spool]:
    """Every document of the share goes to the spool of its group. What is known is not scored again; one that is
    not to be measured waits for its prediction. A window goes sorted by length, so its batches are of like length.
    """
    spools: dict[str, Spool] = {}
    for window in windows:
        chosen = [d for d in window if (d.group, d.name) not in known and measured(d)]
        progress.skip(len(window) - len(chosen))
        fresh = {
            id(document): (perplexity, token_nll)
            for document, perplexity, token_nll in _scored(
                chosen, scorer, progress, per_token=tokens is not None
            )
        }
        for document in window:
            found = fresh.get(id(document)) or known.get((document.group, document.name))
            if document.group not in spools:
                spools[document.group] = Spool(document.group, job.folder)
            spools[document.group].add(document.name, document.tokens, None if found is None else found[0])
            if tokens is not None:
                tokens.add(np.zeros(0, np.float32) if found is None else found[1])
    return spools


def _scored(
    window: list[Document], scorer: Scorer, progress: Progress | None, *, per_token: bool
) -> Iterator[tuple[Document, float, np.ndarray]]:
    if not window:
        return
    told = None if progress is None else progress.of_window()
    scores = scorer.score([d.tokens for d in window], told, per_token=per_token)
    nothing = np.zeros(0, np.float32)
    for i, (document, perplexity) in enumerate(zip(window, scores.perplexity(), strict=True)):
        yield document, float(perplexity), scores.token_nll[i] if scores.token_nll else nothing


class Progress:
    """Says about once a second how far the scoring of `of` documents is; a window counts on from the one before."""

    def __init__(self, worker: Worker, of: int) -> None:
        self._worker = worker
        self._said: float | None = None
        self._done = 0
        self._of = of

    def skip(self, documents: int) -> None:
        """Counts documents that need no scoring."""
        self._done += documents

    def of_window(self) -> Callable[[int, int], None]:
        """Takes (done, of) of one window, until the next one begins."""
        before = self._done

        def progress(done: int, of: int) -> None:
            self._worker.raise_if_stopping()
            if self._said is None:
                self._worker.phase("training", f"scoring {self._of:,} documents")
                self._said = time.monotonic()
            self._done = before + done
            if time.monotonic() - self._said > 1 or self._done >= self._of:
                self._worker.progress(self._done, max(self._of, self._done), "documents")
                self._said = time.monotonic()

        return progress
