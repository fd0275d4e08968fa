"""Documents that hold questions of the evaluation: found by the share of a question's n-grams in one place."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from stages._worker.data.task_items import read_items, task_paths
from stages._worker.locations import resolve_data
from stages.corpus.words import words_of

# Odd and wide, so that the polynomial hash of an n-gram keeps all its bits modulo 2^64.
_BASE = np.uint64(0x9E3779B97F4A7C15)
_TABLE_BITS = 22


@dataclass(kw_only=True, slots=True, frozen=True)
class Question:
    """One item of an evaluation: its place (`lexeval 3_1 item 12`), its task, and what must not be trained on."""

    name: str
    task: str
    text: str


def evaluation_questions(evaluations: list[dict[str, Any]], ngram: int) -> list[Question]:
    """Every item of the files that evaluation suites name, found where the eval stage finds them.

    An answer of `ngram` characters or more is part of the text; a letter is not. A suite's `limit` is not heeded: what is
    not asked today may be tomorrow.
    """
    found: dict[str, Question] = {}
    for suite in evaluations:
        for files in suite["files"]:
            paths = task_paths(resolve_data(files["folder"]), files["form"], only=files["tasks"])
            for task, path in paths.items():
                task = f"{suite.get('name', files['form'])} {task}"
                for item in read_items(path, files["form"]):
                    answer = item.answer if len(_plain(item.answer)) >= ngram else ""
                    name = f"{task} item {item.id}"
                    found[name] = Question(name=name, task=task, text=f"{item.question}\n{answer}")
    return list(found.values())


class Contamination:
    """Knows the questions. A document is contaminated when a stretch of it, twice as long as a question, holds at least
    `min_share` of the distinct character `ngram`-grams of that question.

    The share is of the question, not of the document: a statute that a question quotes in one of four options holds a
    quarter of it and stays, while a page that reprints the question holds all of it. Questions shorter than
    `min_characters` are not looked for, as their words occur by chance.
    """

    def __init__(
        self, questions: list[Question], *, ngram: int, min_share: float, min_characters: int
    ) -> None:
        texts = [(question, _plain(question.text)) for question in questions]
        kept = [(question, text) for question, text in texts if len(text) >= max(ngram, min_characters)]
        self.questions = [question for question, _ in kept]
        self.too_short = len(questions) - len(kept)
        self._ngram = ngram
        self._min_share = min_share
        grams = [np.unique(_hashes(text, ngram)) for _, text in kept]
        self._grams = grams
        self._sizes = np.array([len(each) for each in grams], dtype=np.int64)
        self._windows = [2 * len(text) for _, text in kept]
        hashes = np.concatenate([*grams, np.empty(0, dtype=np.uint64)])
        order = np.argsort(hashes, kind="stable")
        self._owners = np.repeat(np.arange(len(grams)), self._sizes)[order]
        self._known, self._starts = np.unique(hashes[order], return_index=True)
        self._starts = np.append(self._starts, len(hashes))
        # One look into a small table spares most n-grams of a document the search among the known ones.
        self._table = np.zeros(1 << _TABLE_BITS, dtype=bool)
        self._table[_slots(self._known)] = True
        self._fewest = int(np.ceil(self._sizes * min_share).min()) if len(grams) else 0

    def find(self, words: str) -> tuple[str, float] | None:
        """Name of the question of which a text with these `words_of` it holds the largest share, and that share; None
        for a clean text.
        """
        if not self.questions:
            return None
        words = words.lower()
        if len(words) < self._ngram:
            return None
        hashes = _hashes(words, self._ngram)
        places = np.flatnonzero(self._table[_slots(hashes)])
        if len(places) < self._fewest:
            return None
        at = np.searchsorted(self._known, hashes[places])
        real = (at < len(self._known)) & (self._known[np.minimum(at, len(self._known) - 1)] == hashes[places])
        return self._judge(places[real], at[real])

    def _judge(self, places: np.ndarray, grams: np.ndarray) -> tuple[str, float] | None:
        distinct = np.unique(grams)
        counts = self._starts[distinct + 1] - self._starts[distinct]
        # The owners of every n-gram seen: runs of `counts` entries, each from its start.
        within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        owners = self._owners[np.repeat(self._starts[distinct], counts) + within]
        shares = np.bincount(owners, minlength=len(self._sizes)) / self._sizes
        best: tuple[float, int] | None = None
        for owner in np.flatnonzero(shares >= self._min_share):
            share = self._densest(int(owner), places, grams) / float(self._sizes[owner])
            if share >= self._min_share and (best is None or share > best[0]):
                best = (share, int(owner))
        if best is None:
            return None
        return self.questions[best[1]].name, best[0]

    def _densest(self, owner: int, places: np.ndarray, grams: np.ndarray) -> int:
        """Most distinct n-grams of a question that begin in one stretch of the document."""
        own = np.isin(grams, np.searchsorted(self._known, self._grams[owner]))
        mine = list(zip(places[own].tolist(), grams[own].tolist(), strict=True))
        held: Counter[int] = Counter()
        most = first = 0
        for place, gram in mine:
            held[gram] += 1
            while place - mine[first][0] > self._windows[owner]:
                gone = mine[first][1]
                held[gone] -= 1
                if not held[gone]:
                    del held[gone]
                first += 1
            most = max(most, len(held))
        return most

    def report(self, hits: Mapping[str, int]) -> dict[str, Any]:
        """Questions looked for, those too short for it, and by task the questions found and the documents dropped.

        `hits` has the documents dropped by name of question.
        """
        tasks: dict[str, dict[str, int]] = {}
        found = [(each.task, each.name, hits[each.name]) for each in self.questions if each.name in hits]
        for task, _, documents in sorted(found):
            entry = tasks.setdefault(task, {"questions": 0, "documents": 0})
            entry["questions"] += 1
            entry["documents"] += documents
        return {"questions": len(self.questions), "too_short": self.too_short, "found": tasks}


def _plain(text: str) -> str:
    return words_of(text).lower()


def _hashes(text: str, ngram: int) -> np.ndarray:
    """64-bit hashes of the character n-grams of a text of at least `ngram` characters, in order."""
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32).astype(np.uint64)
    count = len(codes) - ngram + 1
    hashes = np.zeros(count, dtype=np.uint64)
    for offset in range(ngram):
        hashes *= _BASE
        hashes += codes[offset : offset + count]
    # The high bits of a product depend on all bits below; the table is read by them.
    return hashes * _BASE


def _slots(hashes: np.ndarray) -> np.ndarray:
    return (hashes >> np.uint64(64 - _TABLE_BITS)).astype(np.int64)
