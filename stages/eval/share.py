"""What a shard of an evaluation measures: whole tasks of a model, so that every number is computed in one
place; a task of the delivered model together with the same of its base, since they are compared item by item."""

from __future__ import annotations

from collections.abc import Sequence

PERPLEXITY = ("", "perplexity")
"""Held-out perplexities of all models: together, since each is told as a multiple of the first."""

Unit = tuple[str, str]
"""Model and task."""


def share_of(parts: Sequence[tuple[Sequence[Unit], int]], shard: int, shards: int) -> set[Unit]:
    """The units of one shard: the largest parts first, each to the shard that has least; a function of the parts alone.

    A part are units that are measured together, with their weight (items). With more shards than parts some have none.
    """
    load = [0] * shards
    mine: set[Unit] = set()
    for place in sorted(range(len(parts)), key=lambda place: (-parts[place][1], place)):
        units, weight = parts[place]
        taker = load.index(min(load))
        load[taker] += max(weight, 1)
        if taker == shard:
            mine.update(units)
    return mine
