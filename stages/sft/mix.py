"""The declared mix: which sample comes next. Pure, and a function of the seed alone."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from stages._worker.failures import DataError, UserError

_SELECTORS = ("pool", "task", "source")


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """Samples (by their index) that together get `share` of the mix."""

    name: str
    share: float
    samples: tuple[int, ...]


def parts_of(mix: list[dict[str, Any]], samples: list[dict[str, Any]]) -> list[Part]:
    """The parts a `with.mix` declares over training samples; shares are scaled to sum 1.

    A sample belongs to the first entry that selects it: {pool: …}, {task: …} or {source: …} (`general`, or the
    name of the teacher). Without a mix all samples are one part. A part without samples is a DataError.
    """
    if not mix:
        return [Part(name="all", share=1.0, samples=tuple(range(len(samples))))]
    taken: list[list[int]] = [[] for _ in mix]
    for index, sample in enumerate(samples):
        for place, entry in enumerate(mix):
            if _selects(entry, sample):
                taken[place].append(index)
                break
    total = sum(entry["share"] for entry in mix)
    parts = []
    for entry, indexes in zip(mix, taken, strict=True):
        name = _name(entry)
        if not indexes and entry["share"] > 0:
            raise DataError(f"with.mix wants a share of {name}, but no training sample is left for it")
        parts.append(Part(name=name, share=entry["share"] / total, samples=tuple(indexes)))
    return [part for part in parts if part.share > 0]


def with_replay(
    parts: list[Part], share: float, groups: Mapping[str, float], places: Mapping[str, range]
) -> list[Part]:
    """The parts scaled to 1 - `share`, and one for each replayed group that has documents, by its weight."""
    if share == 0:
        return parts
    there = {group: groups[group] for group, place in places.items() if len(place) > 0}
    total = sum(there.values())
    kept = [Part(name=part.name, share=part.share * (1 - share), samples=part.samples) for part in parts]
    return kept + [
        Part(name=f"replay:{group}", share=share * weight / total, samples=tuple(places[group]))
        for group, weight in there.items()
    ]


def draw(parts: list[Part], seed: int, weights: list[int]) -> Iterator[tuple[Part, int]]:
    """Endless (part, sample index), always from the part that is most behind its share of the weight so far.

    `weights[i]` is what sample i counts: 1 for shares of samples, its tokens for shares of tokens. Inside a part
    every pass is a new permutation, so no sample comes twice before all came once.
    """
    given = [0] * len(parts)
    passes = [_passes(part, seed) for part in parts]
    total = 0
    while True:
        behind = [part.share * (total + 1) - given[place] for place, part in enumerate(parts)]
        place = max(range(len(parts)), key=lambda at: (behind[at], -at))
        sample = next(passes[place])
        given[place] += weights[sample]
        total += weights[sample]
        yield parts[place], sample


def _passes(part: Part, seed: int) -> Iterator[int]:
    number = 0
    while True:
        yield from sorted(part.samples, key=lambda sample: _key(seed, part.name, number, sample))
        number += 1


def _key(*words: object) -> bytes:
    return hashlib.sha256(":".join(map(str, words)).encode()).digest()


def _name(entry: dict[str, Any]) -> str:
    chosen = [word for word in _SELECTORS if entry.get(word)]
    if len(chosen) != 1:
        raise UserError(f"an entry of with.mix has exactly one of {', '.join(_SELECTORS)}; saw {entry}")
    return f"{chosen[0]}:{entry[chosen[0]]}"


def _selects(entry: dict[str, Any], sample: dict[str, Any]) -> bool:
    word, _, value = _name(entry).partition(":")
    return source_of(sample) == value if word == "source" else sample.get(word) == value


def source_of(sample: dict[str, Any]) -> str:
    """`source` of a general instruction sample, else the name of the teacher."""
    return str(sample.get("source") or (sample.get("teacher") or {}).get("name") or "")
