"""What a shard of an evaluation measures: whole tasks of a model, so that every number is computed in one place."""

from __future__ import annotations

from collections.abc import Sequence

PERPLEXITY = ("", "perplexity")
"""Held-out perplexities of all models: together, since each is told as a multiple of the first."""

Unit = tuple[str, str]
"""Model and task."""


def share_of(units: Sequence[tuple[Unit, int]], shard: int, shards: int) -> set[Unit]:
    """The units of one shard: the largest first, each to the shard that has least; a function of the units alone.

    `units` are given with their weight (items). With more shards than units some have none.
    """
    load = [0] * shards
    mine = set()
    for place in sorted(range(len(units)), key=lambda place: (-units[place][1], place)):
        unit, weight = units[place]
        taker = load.index(min(load))
        load[taker] += max(weight, 1)
        if taker == shard:
            mine.add(unit)
    return mine
