"""Which split a document goes to, as a function of the seed and the document alone."""

from __future__ import annotations

from typing import Any

from stages._worker.chance import draw

SPLITS = ("base", "train", "heldout")


def choose_split(rules: dict[str, Any], unit: str, row: dict[str, Any], source: str, seed: int) -> str:
    """`heldout` by value of a column or by share, then `base` by share, else `train`.

    `unit` is what stays together (a document's id, or the value of the column in `rules.unit`, such as a law).
    """
    heldout = rules.get("heldout", {})
    where = heldout.get("where", {})
    if where and any(str(row.get(column)) in map(str, values) for column, values in where.items()):
        return "heldout"
    if draw(seed, source, "heldout", unit) < heldout.get("share", 0):
        return "heldout"
    return "base" if draw(seed, source, "base", unit) < rules.get("base", 0) else "train"
