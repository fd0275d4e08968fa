"""The ledger: a hash chain over the rows of data that training consumed. src/recipe/ledger.ts has the same one.

A fork begins a new chain whose first link is the old head, so that the whole past stays part of the proof.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np

GENESIS = bytes(32)


def extend(previous: bytes, rows: np.ndarray) -> bytes:
    """H_t = sha256(H_(t-1) || row ids of step t as little-endian uint32); H_0 is 32 zero bytes."""
    return hashlib.sha256(previous + np.ascontiguousarray(rows, "<u4").tobytes()).digest()


def fork(previous: bytes) -> bytes:
    """First link of the chain of a fork: sha256("fork" || head of the chain it leaves)."""
    return hashlib.sha256(b"fork" + previous).digest()


@dataclass(kw_only=True, slots=True)
class Ledger:
    """What was consumed up to now, and where the chain begins that this training can prove."""

    head: bytes = GENESIS
    row: int = 0
    """Rows consumed, of all steps."""
    begins: Beginning | None = None
    """None for a chain from H_0."""

    def consume(self, rows: np.ndarray) -> None:
        """Adds the rows of one step."""
        self.head = extend(self.head, rows)
        self.row += len(rows)

    def as_json(self) -> dict[str, Any]:
        """For the cursor of a checkpoint."""
        forked = {} if self.begins is None else {"forked": self.begins.as_json()}
        return {"row": self.row, "ledger": self.head.hex(), **forked}

    def amendment(self, order_sha256: str | None) -> dict[str, Any]:
        """Of a fork, for its summary: `forked` with the order it left and that it has. Else empty."""
        if self.begins is None:
            return {}
        return {"forked": {**self.begins.as_json(), "newOrderSha256": order_sha256}}


@dataclass(kw_only=True, slots=True, frozen=True)
class Beginning:
    """Where a fork left its ancestor: after `step` steps and `row` rows, with the ledger at `left`."""

    step: int
    row: int
    left: bytes
    order_sha256: str | None = None
    """Hash of the order that was left."""
    changed: tuple[str, ...] = ()
    """What the fork changed, a sentence each: the amendment."""

    def as_json(self) -> dict[str, Any]:
        """For the cursor of a checkpoint."""
        return {
            "step": self.step,
            "row": self.row,
            "ledger": self.left.hex(),
            "orderSha256": self.order_sha256,
            "changed": list(self.changed),
        }


def begin_at(begins: Beginning | None) -> Ledger:
    """The chain before its first step of this training."""
    if begins is None:
        return Ledger()
    return Ledger(head=fork(begins.left), row=begins.row, begins=begins)


def beginning_of(cursor: dict[str, Any]) -> Beginning | None:
    """Where the chain of a checkpoint begins. Raises KeyError or ValueError for one that is none of ours."""
    forked = cursor.get("forked")
    if forked is None:
        return None
    return Beginning(
        step=int(forked["step"]),
        row=int(forked["row"]),
        left=bytes.fromhex(forked["ledger"]),
        order_sha256=forked.get("orderSha256"),
        changed=tuple(forked.get("changed", ())),
    )
