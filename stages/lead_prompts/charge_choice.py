"""charge_choice: one act of a criminal case and four charges, one of them real."""

from __future__ import annotations

import re
from typing import Any

from stages._lead.clauses import clauses
from stages._lead.prompt import Prompt
from stages._worker.chance import draw, shuffled
from stages.lead_prompts.candidate import Candidate
from stages.lead_prompts.routes import choose_route, word_question
from stages.lead_prompts.scores import score_facts

_LETTERS = "ABCDEFGH"
_CLAUSES_LOOKED_AT = 12
_MASKED = re.compile(r"[＊*×xX]{2}|[A-Za-z]{3}")
_LEAD_IN = re.compile(r"^.*?(?:指控|查明|认定)[:：,，]?")
_WHO_AND_WHEN = re.compile(
    r"^(?:\d{4}年)?(?:\d{1,2}月)?(?:份|间)?(?:\d{1,2}[日号])?(?:\d{1,2}时许?)?(?:\d{1,2}分许?)?|被告人\S{1,4}?某[甲乙丙丁某\d]?|被告人"
)


def charge_choice_candidate(
    name: str, task: dict[str, Any], document: dict[str, Any], charges: list[str], split: str, seed: int
) -> Candidate | None:
    """The candidate of a case with a single charge that is short enough; `charges` are the distractors' source."""
    rule = task["builder"]
    facts, charge = document["meta"].get("facts"), single_charge(document)
    if not facts or charge is None:
        return None
    identity = f"{name}/{document['id']}"
    act = cut_act(facts, rule["facts_characters"], rule["cues"])
    options = draw_options(charge, charges, rule, seed, identity)
    if act is None or options is None:
        return None
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
    return Candidate(prompt=prompt, scores=score_facts(facts, has_outcome=True), scored_text=facts, ask=ask)


def single_charge(document: dict[str, Any]) -> str | None:
    """The charge of a case that has exactly one."""
    charges = document["meta"].get("charges") or []
    return charges[0] if len(charges) == 1 else None


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
    """The clause that tells the act, without who and when, at most `longest` characters; None without any cue.

    Among the first clauses with a cue word, one that needs no cutting and no masked words (＊, ×) is preferred, then
    one with more cues.
    """
    found: list[tuple[bool, int, int, str]] = []
    for clause in clauses(_LEAD_IN.sub("", facts, count=1))[:_CLAUSES_LOOKED_AT]:
        bare = _WHO_AND_WHEN.sub("", clause)
        places = [place for cue in cues if (place := bare.find(cue)) >= 0]
        if not places or len(bare) < 5:
            continue
        start = 0 if len(bare) <= longest else max(0, min(min(places) - longest // 2, len(bare) - longest))
        poor = len(bare) > longest or bool(_MASKED.search(bare))
        found.append((poor, -len(places), len(found), bare[start : start + longest]))
    return min(found)[3] if found else None
