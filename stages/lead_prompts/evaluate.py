"""What the model says about candidates the rules leave open, and questions it words."""

from __future__ import annotations

from typing import Any

from stages._lead import sections
from stages._lead.chat import ChatClient
from stages._lead.replies import BadReply
from stages._lead.templates import fill
from stages.lead_prompts.candidate import Candidate
from stages.lead_prompts.queries import RealQueries
from stages.lead_prompts.scores import SCORE_SCHEMA

_QUERIES_SHOWN = 3

_QUESTION_SCHEMA = {
    "type": "object",
    "required": ["question"],
    "properties": {"question": {"type": "string", "minLength": 5}},
}


async def settle(
    config: dict[str, Any], client: ChatClient, queries: dict[str, RealQueries], candidate: Candidate
) -> str | None:
    """Scores the candidate and words its question where that is open; the reason to drop it, or None."""
    try:
        await _score(config, client, candidate)
        if too_low(config, candidate.prompt.scores):
            return "low_score"
        if candidate.ask is not None:
            await _word(config, client, queries, candidate)
    except BadReply:
        return "bad_reply"
    return None


def settle_by_rules(config: dict[str, Any], candidate: Candidate) -> str | None:
    """As `settle`, for a candidate the rules decide alone."""
    _take_rules(candidate)
    return "low_score" if too_low(config, candidate.prompt.scores) else None


def needs_model(config: dict[str, Any], candidate: Candidate) -> bool:
    """Whether a model has to be asked: a score is open, or the question is its to word."""
    known = [
        mark for mark in (candidate.scores.completeness, candidate.scores.complexity) if mark is not None
    ]
    if any(mark < config["scoring"]["lowest"] for mark in known):
        return False
    return candidate.scores.open or candidate.ask is not None


def too_low(config: dict[str, Any], scores: dict[str, int]) -> bool:
    """Whether any mark is under the limit."""
    return any(mark < config["scoring"]["lowest"] for mark in scores.values())


def _take_rules(candidate: Candidate) -> None:
    marks = {"completeness": candidate.scores.completeness, "complexity": candidate.scores.complexity}
    candidate.prompt.scores = {name: mark for name, mark in marks.items() if mark is not None}


async def _score(config: dict[str, Any], client: ChatClient, candidate: Candidate) -> None:
    _take_rules(candidate)
    if not candidate.scores.open:
        return
    material = sections.write_documents(
        [{"title": "材料", "text": candidate.scored_text}], config["material_characters"]
    )
    prompt = sections.write_sections(
        [
            (sections.STEP, sections.STEP_SCORE),
            (sections.TASK, candidate.prompt.task),
            (sections.MATERIAL, "\n" + material),
            (sections.INSTRUCTION, fill(config["scoring"]["instruction"])),
        ]
    )
    reply = await client.ask(config["system"], prompt, schema=SCORE_SCHEMA)
    candidate.prompt.scores = {
        "completeness": candidate.scores.completeness or reply.data["completeness"],
        "complexity": candidate.scores.complexity or reply.data["complexity"],
    }


async def _word(
    config: dict[str, Any], client: ChatClient, queries: dict[str, RealQueries], candidate: Candidate
) -> None:
    prompt = candidate.prompt
    like: list[str] = []
    if "queries" in config["tasks"][prompt.task]["routes"][prompt.route]:
        like = queries[prompt.task].nearest(candidate.scored_text, _QUERIES_SHOWN)
    documents = sections.write_documents(prompt.documents, config["material_characters"])
    text = sections.write_sections(
        [
            (sections.STEP, sections.STEP_QUESTION),
            (sections.TASK, prompt.task),
            (sections.MATERIAL, "\n" + documents),
            (sections.QUERIES, "\n".join(like)),
            (sections.INSTRUCTION, candidate.ask or ""),
        ]
    )
    reply = await client.ask(config["system"], text, schema=_QUESTION_SCHEMA)
    prompt.question = reply.data["question"].strip()
