"""Candidates of every task, in a seeded order, a little more than is wanted."""

from __future__ import annotations

from typing import Any

from stages._worker.chance import shuffled
from stages.lead_prompts.candidate import Candidate
from stages.lead_prompts.casework import casework_candidates
from stages.lead_prompts.charge_choice import charge_choice_candidates, single_charges
from stages.lead_prompts.recitation import recitation_candidates

SPLITS = ("train", "heldout")


def collect(config: dict[str, Any], documents: dict[str, list[dict[str, Any]]], seed: int) -> list[Candidate]:
    """Candidates by task and split; each list is cut to what may be needed to fill the task's numbers."""
    charges = single_charges(documents["train"])
    found: list[Candidate] = []
    for name, task in config["tasks"].items():
        for split in SPLITS:
            candidates = _candidates(config, name, task, documents[split], charges, split, seed)
            ordered = shuffled(candidates, seed, "candidates", name, key=lambda each: each.prompt.id)
            # Scores drop some: half as many again are looked at.
            found += ordered[: task[split] + task[split] // 2 + 20]
    return found


def _candidates(
    config: dict[str, Any],
    name: str,
    task: dict[str, Any],
    documents: list[dict[str, Any]],
    charges: list[str],
    split: str,
    seed: int,
) -> list[Candidate]:
    kind = task["builder"]["kind"]
    if kind == "recitation":
        return list(recitation_candidates(name, task, documents, split, seed))
    if kind == "charge_choice":
        return list(charge_choice_candidates(name, task, documents, charges, split, seed))
    return list(casework_candidates(name, task, documents, config["segments"], split, seed))
