"""Perplexity on held-out documents: the numbers every training stage reports and gates judge."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from stages._worker.data.documents import chosen_documents, groups_of
from stages._worker.data.tokenizer import Tokenizer
from stages._worker.failures import DataError
from stages._worker.inference.bootstrap import Interval, ratio_interval
from stages._worker.inference.scoring import Scorer
from stages._worker.model.qwen3 import Qwen3ForCausalLM
from stages._worker.worker import Worker


class HeldOut:
    """Held-out documents of a corpus, ready to be scored as often as wanted with one compilation.

    `options` is the `heldout` object of a stage's `with`: {documents, tokens, batch}: documents a group at most,
    tokens of each that are scored, rows a batch.
    """

    def __init__(
        self,
        network: Qwen3ForCausalLM,
        tokenizer: Tokenizer,
        corpus: Path,
        options: Mapping[str, int],
        *,
        seed: int = 0,
    ) -> None:
        self._seed = seed
        self._groups = groups_of(corpus, "heldout")
        if not {"legal", "general"} <= set(self._groups):
            raise DataError(f"{corpus}/documents/heldout has {self._groups}, expected legal and general")
        self._documents: list[list[int]] = []
        self._group_of: list[str] = []
        for group in self._groups:
            chosen = chosen_documents(corpus, "heldout", group, count=options["documents"], seed=seed)
            encoded = [ids for ids in tokenizer.encode_batch([item["text"] for item in chosen]) if ids]
            self._documents += encoded
            self._group_of += [group] * len(encoded)
        self._scorer = Scorer(
            network,
            batch=options["batch"],
            lengths=(options["tokens"],),
            end_of_text=tokenizer.end_of_text,
        )

    def __len__(self) -> int:
        """Documents that are scored."""
        return len(self._documents)

    def measure(self, progress: Callable[[int, int], None] | None = None) -> dict[str, Interval]:
        """`loss` (nats a token, all groups together), `legal_ppl`, `general_ppl`, …, with intervals over documents.

        `progress(done, of)` is called after every batch of documents.
        """
        scores = self._scorer.score(self._documents, progress)
        found = {"loss": ratio_interval(scores.nll, scores.tokens, seed=self._seed)}
        names = np.array(self._group_of)
        for group in self._groups:
            mine = names == group
            loss = ratio_interval(scores.nll[mine], scores.tokens[mine], seed=self._seed)
            found[f"{group}_ppl"] = Interval(
                value=math.exp(loss.value), low=math.exp(loss.low), high=math.exp(loss.high)
            )
        return found


def counting(worker: Worker, heldout: HeldOut, when: str) -> Callable[[int, int], None]:
    """Tells of the measuring of `heldout`."""
    return worker.counting(f"measuring {len(heldout):,} held-out documents {when}", "documents")


def training_metrics(before: Interval, after: Interval, heldout: Mapping[str, Interval]) -> dict[str, float]:
    """What base, midtrain, sft and rl report: heldout_loss_before/_after on the stage's own held-out data, and
    the perplexities of `HeldOut.measure` after the stage, each with _lo and _hi."""
    metrics = interval_metrics("heldout_loss_before", before)
    metrics |= interval_metrics("heldout_loss_after", after)
    for name, interval in heldout.items():
        if name != "loss":
            metrics |= interval_metrics(name, interval)
    return metrics


def interval_metrics(name: str, interval: Interval) -> dict[str, float]:
    """`name`, `name_lo` and `name_hi`."""
    return {name: interval.value, f"{name}_lo": interval.low, f"{name}_hi": interval.high}
