"""The items with the lowest keys of a stream, without keeping the stream."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Shortlist(Generic[Item]):
    """Keeps the `size` items with the lowest keys."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._heap: list[tuple[float, str, Item]] = []

    def offer(self, key: float, name: str, make: Callable[[], Item | None]) -> None:
        """Makes and keeps the item when its key is low enough; `name` decides between equal keys."""
        full = len(self._heap) == self._size
        if full and (self._size == 0 or key >= -self._heap[0][0]):
            return
        item = make()
        if item is None:
            return
        entry = (-key, name, item)
        heapq.heapreplace(self._heap, entry) if full else heapq.heappush(self._heap, entry)

    def items(self) -> list[Item]:
        """The items, lowest key first."""
        return [item for _, _, item in sorted(self._heap, key=lambda entry: (-entry[0], entry[1]))]
