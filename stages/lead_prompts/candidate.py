"""A prompt that may enter the pool, before its scores are final."""

from __future__ import annotations

from dataclasses import dataclass

from stages._lead.prompt import Prompt
from stages.lead_prompts.scores import Scores


@dataclass(kw_only=True, slots=True)
class Candidate:
    """A prompt, what the rules say about it, the text the model scores when they say nothing, and what is asked."""

    prompt: Prompt
    scores: Scores
    scored_text: str
    ask: str | None = None
    """Instruction for the model to word the question; None when a template gave it."""
