"""Candidates of every task out of a stream of documents, in a seeded order, a little more than is wanted."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from stages._lead.shortlist import Shortlist
from stages._worker.chance import draw
from stages.lead_prompts.candidate import Candidate
from stages.lead_prompts.casework import casework_candidate
from stages.lead_prompts.charge_choice import charge_choice_candidate, single_charge
from stages.lead_prompts.recitation import recitation_candidate

SPLITS = ("train", "heldout")

Documents = Callable[[str], Iterable[dict[str, Any]]]


def collect(config: dict[str, Any], documents: Documents, seed: int) -> list[Candidate]:
    """Candidates by task and split, each list cut to what may be needed to fill the task's numbers.

    `documents(split)` is read twice for training (the charges of all cases first) and never kept whole.
    """
    charges = _charges(config, documents)
    lists = {
        # Scores drop some: half as many again are looked at.
        (name, split): Shortlist[Candidate](task[split] + task[split] // 2 + 20 if task[split] else 0)
        for name, task in config["tasks"].items()
        for split in SPLITS
    }
    for split in SPLITS:
        for document in documents(split):
            for name, task in config["tasks"].items():
                lists[name, split].offer(
                    draw(seed, "candidates", name, document["id"]),
                    document["id"],
                    lambda name=name, task=task, document=document, split=split: _candidate(
                        config, name, task, document, charges, split, seed
                    ),
                )
    return [candidate for shortlist in lists.values() for candidate in shortlist.items()]


def _charges(config: dict[str, Any], documents: Documents) -> list[str]:
    if not any(task["builder"]["kind"] == "charge_choice" for task in config["tasks"].values()):
        return []
    found = (single_charge(document) for document in documents("train"))
    return list(dict.fromkeys(charge for charge in found if charge is not None))


def _candidate(
    config: dict[str, Any],
    name: str,
    task: dict[str, Any],
    document: dict[str, Any],
    charges: list[str],
    split: str,
    seed: int,
) -> Candidate | None:
    kind = task["builder"]["kind"]
    if kind == "recitation":
        return recitation_candidate(name, task, document, split, seed)
    if kind == "charge_choice":
        return charge_choice_candidate(name, task, document, charges, split, seed)
    return casework_candidate(name, task, document, config["segments"], split, seed)
