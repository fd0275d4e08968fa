"""Choices that depend on the seed and names only."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any, TypeVar

Item = TypeVar("Item")


def draw(seed: int, *parts: str) -> float:
    """A number in [0, 1) that depends on the seed and the parts only."""
    digest = hashlib.sha256("\0".join([str(seed), *parts]).encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def shuffled(items: Iterable[Item], seed: int, *parts: str, key: Any = str) -> list[Item]:
    """Items in an order that does not depend on the order they came in; `key` names an item."""
    return sorted(items, key=lambda item: (draw(seed, *parts, key(item)), key(item)))
