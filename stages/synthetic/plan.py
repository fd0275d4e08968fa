"""Which texts are asked for: a function of config, documents and seed, the same in every shard."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

from stages._lead.shortlist import Shortlist
from stages._worker.chance import draw
from stages._worker.failures import DataError
from stages.synthetic.config import PRODUCTS, templates_of
from stages.synthetic.source_forms import SourceForms


class Wanted(NamedTuple):
    """One text to ask for. Sorted by these fields: views of one document follow each other."""

    key: float
    document: str
    product: str
    template: str


@dataclass(kw_only=True, slots=True, frozen=True)
class Plan:
    """All texts of the stage, in the order they are asked for, and how many the budget leaves out."""

    wanted: list[Wanted]
    left_out: int


def make_plan(config: dict[str, Any], documents: Iterable[dict[str, Any]], seed: int) -> Plan:
    """The texts of all shards; DataError when no document fits a view or style.

    Keeps id and hash of what is wanted, not the documents.
    """
    forms = SourceForms(config["forms"])
    lists = [
        (
            product,
            name,
            template,
            re.compile(template["matching"] or ""),
            Shortlist[Wanted](template["samples"]),
        )
        for product, name, template in templates_of(config)
    ]
    seen: Counter[str] = Counter()
    for document in documents:
        if len(document["text"]) < config["shortest_source"]:
            seen["too short"] += 1
            continue
        form = forms.of(document)
        seen[form] += 1
        # One key for all templates of a product, so that the views of a case are of the same case.
        keys = {product: draw(seed, product, document["id"]) for product in PRODUCTS}
        for product, name, template, matching, chosen in lists:
            if form in template["for"] and matching.search(document["text"]):
                wanted = Wanted(keys[product], document["id"], product, name)
                chosen.offer(wanted.key, wanted.document, lambda wanted=wanted: wanted)
    wanted = sorted(each for *_, chosen in lists for each in chosen.items())
    if not wanted:
        told = ", ".join(f"{count} {form}" for form, count in sorted(seen.items())) or "none"
        raise DataError(
            f"no legal training document fits a view or style of configs/synthetic/{config['name']}.yaml; seen: {told}",
            hint="look at `for`, `matching` and `shortest_source`",
        )
    allowed = _allowed(config, len(wanted))
    return Plan(wanted=wanted[:allowed], left_out=len(wanted) - allowed)


def own_part(wanted: list[Wanted], shard: int, shards: int) -> list[Wanted]:
    """The part of a shard: neighbours, so that the parts one after the other are the whole."""
    begin, end = (len(wanted) * number // shards for number in (shard, shard + 1))
    return wanted[begin:end]


def _allowed(config: dict[str, Any], wanted: int) -> int:
    if config["max_requests"] is None:
        return wanted
    return min(wanted, config["max_requests"] // (1 if config["quality"] is None else 2))
