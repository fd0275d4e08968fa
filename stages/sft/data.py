"""What fine-tuning reads: samples and general instructions, tokenised, and the planned rows."""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from stages._worker.data.chat import render_chat
from stages._worker.data.replay import ReplayRow
from stages._worker.data.samples import read_general, read_samples
from stages._worker.data.tokenizer import END_OF_TURN, Tokenizer
from stages._worker.failures import DataError
from stages.sft.mix import Part, draw, parts_of, with_replay
from stages.sft.packing import Boundaries, Row, fill_row, plan_rows
from stages.sft.tokenise import Tokenised, tokenise


@dataclass(frozen=True, kw_only=True, slots=True)
class Samples:
    """Samples that fit a row, with their tokens in the same order."""

    rows: list[dict[str, Any]]
    tokens: list[Tokenised]
    dropped: int  # longer than a row


def read_training_samples(folders: Sequence[Path]) -> list[dict[str, Any]]:
    """Samples, and general instructions where there are some; these get the task `general`."""
    samples = read_samples(folders)
    samples += [{"task": "general", "split": "train", **row} for row in read_general(folders)]
    for sample in samples:
        if not isinstance(sample.get("messages"), list) or not sample.get("id"):
            raise DataError(f"{folders[0]}: a sample without id or messages: {str(sample)[:120]}")
    return samples


def tokenise_all(rows: list[dict[str, Any]], tokenizer: Tokenizer, *, length: int) -> Samples:
    """Tokens of the samples; what takes more than `length` + 1 tokens is dropped."""

    def render(messages: list[dict[str, str]], prompt: bool) -> str:
        return render_chat(messages, add_generation_prompt=prompt, template=tokenizer.chat_template)

    made = []
    for row in rows:
        try:
            made.append(tokenise(row["messages"], render=render, encode=tokenizer.encode, end=END_OF_TURN))
        except DataError as error:
            raise DataError(f"sample {row['id']}: {error}") from error
    kept = [place for place, item in enumerate(made) if len(item.tokens) <= length + 1]
    return Samples(
        rows=[rows[place] for place in kept],
        tokens=[made[place] for place in kept],
        dropped=len(rows) - len(kept),
    )


def _and_replay(samples: Samples, replay: Mapping[str, list[ReplayRow]]) -> tuple[Samples, dict[str, range]]:
    """Samples with the replayed documents behind them, whose every token counts, and where each group lies."""
    rows, tokens = list(samples.rows), list(samples.tokens)
    places = {}
    for group, documents in replay.items():
        places[group] = range(len(rows), len(rows) + len(documents))
        rows += [{"id": document.id, "task": "replay", "group": group} for document in documents]
        tokens += [
            Tokenised(tokens=document.tokens, counted=np.ones(len(document.tokens), bool), prompt=0)
            for document in documents
        ]
    return Samples(rows=rows, tokens=tokens, dropped=samples.dropped), places


@dataclass(kw_only=True, slots=True)
class Plan:
    """The rows of the whole training, in order, as lists of sample indexes."""

    samples: Samples  # and behind them the documents that are replayed
    rows: list[list[int]]
    length: int
    boundaries: Boundaries
    padding: int
    shares: dict[str, float]  # share of each part of the mix, in samples, as drawn
    counted: dict[str, int]  # tokens the loss counts, `answers` and `replay`

    def order_sha256(self) -> str:
        """Hash over the ids of the samples in order; a resume with another order is refused."""
        digest = hashlib.sha256()
        for row in self.rows:
            digest.update("\t".join(str(self.samples.rows[index]["id"]) for index in row).encode() + b"\n")
        return digest.hexdigest()

    def batch(self, rows: range) -> tuple[np.ndarray, ...]:
        """inputs, targets, counted, segments of these rows, as the loss Cell takes them."""
        return stack([self._fill(self.rows[number]) for number in rows])

    def fill_share(self) -> float:
        """Share of all places of the rows that hold a sample."""
        used = sum(len(self.samples.tokens[index].tokens) for row in self.rows for index in row)
        return used / (len(self.rows) * (self.length + 1))

    def _fill(self, members: list[int]) -> Row:
        row = fill_row(
            [self.samples.tokens[index] for index in members], length=self.length, padding=self.padding
        )
        if self.boundaries == "open":
            row.segments[:] = 1
        return row


def stack(rows: list[Row]) -> tuple[np.ndarray, ...]:
    """Arrays of a batch of rows."""
    return tuple(
        np.stack([getattr(row, name) for row in rows])
        for name in ("inputs", "targets", "counted", "segments")
    )


def plan_training(
    samples: Samples,
    replay: Mapping[str, list[ReplayRow]],
    *,
    options: dict[str, Any],
    seed: int,
    padding: int,
    steps: int | None,
) -> tuple[Plan, int]:
    """The rows of the training, and how many steps it has. `replay`: documents by group, none without a share."""
    parts: list[Part] = parts_of(options["mix"], samples.rows)
    share = options["replay"]["share"] if replay else 0.0
    own = len(samples.rows)
    samples, places = _and_replay(samples, replay)
    parts = with_replay(parts, share, options["replay"]["groups"], places)
    lengths = [len(item.tokens) for item in samples.tokens]
    weights = lengths if options["mix_by"] == "tokens" else [1] * len(lengths)
    drawn: Counter[str] = Counter()

    def stream():
        for part, index in draw(parts, seed, weights):
            drawn[part.name] += 1
            yield index

    order = stream()
    if steps is None:
        order = islice(order, max(1, round(options["passes"] * own / (1 - share))))
    rows = plan_rows(order, lengths, length=options["length"], boundaries=options["boundaries"])
    batch = options["batch"]
    wanted = list(rows if steps is None else islice(rows, steps * batch))
    updates = steps or len(wanted) // batch
    if updates == 0:
        raise DataError(f"{own} samples fill {len(wanted)} rows, fewer than one batch of {batch}")
    total = sum(drawn.values())
    plan = Plan(
        samples=samples,
        rows=wanted[: updates * batch],
        length=options["length"],
        boundaries=options["boundaries"],
        padding=padding,
        shares={name: count / total for name, count in drawn.items()},
        counted=_counted(samples, wanted[: updates * batch], own),
    )
    return plan, updates


def _counted(samples: Samples, rows: list[list[int]], own: int) -> dict[str, int]:
    """Tokens the loss counts; the first of a document has nothing before it."""
    counts = {"answers": 0, "replay": 0}
    for row in rows:
        for index in row:
            counted = samples.tokens[index].counted
            counts["answers" if index < own else "replay"] += int(counted[1:].sum())
    return counts
