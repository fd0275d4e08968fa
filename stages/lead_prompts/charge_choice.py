"""charge_choice: one act of a criminal case and four charges, one of them real."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from stages._lead.clauses import clauses
from stages._lead.prompt import Prompt
from stages._worker.chance import draw, shuffled
from stages.lead_prompts.candidate import Candidate
from stages.lead_prompts.routes import choose_route, word_question
from stages.lead_prompts.scores import score_facts

_LETTERS = "ABCDEFGH"
_LEAD_IN = re.compile(r"^.*?(?:指控|查明|认定)[:：,，]?")
_WHO_AND_WHEN = re.compile(
    r"^(?:\d{4}年)?(?:\d{1,2}月)?(?:份|间)?(?:\d{1,2}[日号])?(?:\d{1,2}时许?)?(?:\d{1,2}分许?)?|被告人\S{1,4}?某[甲乙丙丁某\d]?|被告人"
)


def charge_choice_candidates(
    name: str,
    task: dict[str, Any],
    documents: list[dict[str, Any]],
    charges: list[str],
    split: str,
    seed: int,
) -> Iterator[Candidate]:
    """One candidate a case with a single charge that is short enough; `charges` are the distractors' source."""
    rule = task["builder"]
    for document in documents:
        facts = document["meta"].get("facts")
        if not facts or len(document["meta"].get("charges") or []) != 1:
            continue
        (charge,) = document["meta"]["charges"]
        identity = f"{name}/{document['id']}"
        act = cut_act(facts, rule["facts_characters"], rule["cues"])
        options = draw_options(charge, charges, rule, seed, identity)
        if act is None or options is None:
            continue
        letter = _LETTERS[options.index(charge)]
        shown = [f"{_LETTERS[index]}：{option}" for index, option in enumerate(options)]
        route = choose_route(task["routes"], seed, identity)
        question, ask = word_question(task["routes"][route], act=act, options=shown)
        prompt = Prompt(
            id=identity,
            task=name,
            question=question,
            reference=letter,
            documents=[{key: document[key] for key in ("id", "title", "text")}],
            route=route,
            split=split,
            meta={"options": shown, "answer": letter, "charge": charge, "act": act},
        )
        yield Candidate(
            prompt=prompt, scores=score_facts(facts, has_outcome=True), scored_text=facts, ask=ask
        )


def single_charges(documents: list[dict[str, Any]]) -> list[str]:
    """Charges of the cases that have one, each once, in order."""
    found = (document["meta"].get("charges") or [] for document in documents)
    return list(dict.fromkeys(charges[0] for charges in found if len(charges) == 1))


def draw_options(
    charge: str, charges: list[str], rule: dict[str, Any], seed: int, identity: str
) -> list[str] | None:
    """The charge and distractors at seeded places, together at most `options_characters`; None when none fit.

    A distractor neither contains the charge nor is contained in it: 诈骗 beside 合同诈骗 has no single answer.
    """
    left = rule["options_characters"] - len(charge)
    wanted = rule["options"] - 1
    chosen: list[str] = []
    for other in shuffled(charges, seed, "distractor", identity):
        # Every distractor still to come needs two characters.
        room = left - 2 * (wanted - len(chosen) - 1)
        if other in charge or charge in other or len(other) > room or len(chosen) == wanted:
            continue
        chosen.append(other)
        left -= len(other)
    if len(charge) > rule["charge_characters"] or len(chosen) < wanted:
        return None
    chosen.insert(int(draw(seed, "place", identity) * (wanted + 1)), charge)
    return chosen


def cut_act(facts: str, longest: int, cues: list[str]) -> str | None:
    """The first clause of the facts with a cue word, without who and when, at most `longest` characters."""
    for clause in clauses(_LEAD_IN.sub("", facts, count=1)):
        bare = _WHO_AND_WHEN.sub("", clause)
        places = [place for cue in cues if (place := bare.find(cue)) >= 0]
        if not places or len(bare) < 5:
            continue
        start = 0 if len(bare) <= longest else max(0, min(min(places) - longest // 2, len(bare) - longest))
        return bare[start : start + longest]
    return None
