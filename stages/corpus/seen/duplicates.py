"""Exact and near duplicates, within and across sources: the first document seen stays."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import numpy as np

from stages.corpus.seen.fingerprints import Fingerprints
from stages.corpus.seen.growing import GrowingNames, GrowingRows
from stages.corpus.seen.sorted_runs import SortedRuns

# Of two unlike texts so many of the kept bytes of a signature are equal by chance.
_BY_CHANCE = 1 / 256

Verdict = tuple[str, str]


class Duplicates:
    """Remembers every document that it lets stay: its name and its fingerprints, in files of `folder`.

    Near duplicates share at least `threshold` of their shingles (Jaccard, estimated by MinHash over `permutations`).
    A document takes 8 bytes for each band and for its name and words, a byte a permutation, and 24 bytes and its name:
    on disk; memory does not grow with them.
    """

    def __init__(self, *, threshold: float, permutations: int, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.threshold = threshold
        self.by_band = SortedRuns(folder, "bands")
        self.by_digest = SortedRuns(folder, "digests")
        self.by_name = SortedRuns(folder, "names")
        self.digests = GrowingRows(folder / "digests", np.uint32, 4)
        self.signatures = GrowingRows(folder / "signatures", np.uint8, permutations)
        self.names = GrowingNames(folder)

    def find_all(self, names: list[str], fingerprints: Fingerprints) -> list[Verdict | None]:
        """Of each document, in order: (`repeated_id` | `exact_duplicate` | `near_duplicate`, name of the one that
        stays), or None and it is remembered.

        How documents are batched changes nothing: each is compared with all that stay before it.
        """
        if not names:
            return []
        batch = _Batch(self, names, fingerprints)
        verdicts = [batch.judge(place) for place in range(len(names))]
        batch.remember()
        return verdicts

    def close(self) -> None:
        """Lets go of the files."""
        for part in (self.digests, self.signatures, self.names):
            part.close()


class _Batch:
    """Documents that are looked up together. Those that stay get the next numbers, in order."""

    def __init__(self, known: Duplicates, names: list[str], fingerprints: Fingerprints) -> None:
        self._known = known
        self._names = names
        self._digests = fingerprints.digests
        self._signatures = fingerprints.signatures
        self._names_seen = _Seen(known.by_name, fingerprints.names)
        self._digests_seen = _Seen(known.by_digest, self._digests[:, :1])
        self._bands_seen = _Seen(known.by_band, fingerprints.bands)
        self._first = known.digests.count
        self._kept: list[int] = []

    def judge(self, place: int) -> Verdict | None:
        """The verdict on the document at a place; all before it have theirs."""
        name = self._names[place]
        if any(self._name(number) == name for number in self._names_seen.with_a_key_of(place)):
            return "repeated_id", name
        for number in self._digests_seen.with_a_key_of(place):
            (digest,) = self._rows(self._known.digests, self._digests, [number])
            if (digest == self._digests[place]).all():
                return "exact_duplicate", self._name(number)
        near = self._first_like(place)
        if near is not None:
            return "near_duplicate", self._name(near)
        for seen in (self._names_seen, self._digests_seen, self._bands_seen):
            seen.take(place, self._first + len(self._kept))
        self._kept.append(place)
        return None

    def remember(self) -> None:
        """Writes down those that stay."""
        known, kept = self._known, self._kept
        for seen in (self._names_seen, self._digests_seen, self._bands_seen):
            seen.remember(kept, self._first)
        known.names.append([self._names[place] for place in kept])
        known.digests.append(self._digests[kept])
        known.signatures.append(self._signatures[kept])

    def _first_like(self, place: int) -> int | None:
        # Documents that share a band are often unlike: the estimate decides.
        numbers = self._bands_seen.with_a_key_of(place)
        if not numbers:
            return None
        rows = self._rows(self._known.signatures, self._signatures, numbers)
        equal = (rows == self._signatures[place]).mean(axis=1)
        alike = np.flatnonzero((equal - _BY_CHANCE) / (1 - _BY_CHANCE) >= self._known.threshold)
        return numbers[alike[0]] if len(alike) else None

    def _rows(self, stored: GrowingRows, own: np.ndarray, numbers: list[int]) -> np.ndarray:
        old = [number for number in numbers if number < self._first]
        new = [self._kept[number - self._first] for number in numbers[len(old) :]]
        return np.concatenate((stored.at(np.array(old, dtype=np.int64)), own[new]))

    def _name(self, number: int) -> str:
        if number < self._first:
            return self._known.names.at(number)
        return self._names[self._kept[number - self._first]]


class _Seen:
    """Which documents share a key with those of a batch: remembered ones, and those of the batch that stay."""

    def __init__(self, index: SortedRuns, keys: np.ndarray) -> None:
        """`keys` are those of every document of the batch, shape (n, keys of a document), uint32."""
        self._index = index
        self._keys = keys
        self._old: dict[int, set[int]] = defaultdict(set)
        self._new: dict[int, list[int]] = defaultdict(list)
        places, numbers = index.find(keys.ravel())
        for place, number in zip((places // keys.shape[1]).tolist(), numbers.tolist(), strict=True):
            self._old[place].add(number)

    def with_a_key_of(self, place: int) -> list[int]:
        """Numbers of documents with one of its keys at least, in order."""
        found = set(self._old.get(place, ()))
        for key in self._keys[place].tolist():
            found.update(self._new.get(key, ()))
        return sorted(found)

    def take(self, place: int, number: int) -> None:
        """The document at a place stays, under this number."""
        for key in self._keys[place].tolist():
            self._new[key].append(number)

    def remember(self, kept: list[int], first: int) -> None:
        """Puts the keys of those that stay into the index, numbered from `first`."""
        numbers = np.arange(first, first + len(kept), dtype=np.uint64)
        self._index.add(self._keys[kept].ravel(), np.repeat(numbers, self._keys.shape[1]))
