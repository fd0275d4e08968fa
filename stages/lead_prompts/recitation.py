"""statute_recitation: what an article says, to be answered with its first sentence or clause."""

from __future__ import annotations

from typing import Any

from stages._lead.clauses import cut_at_punctuation
from stages._lead.prompt import Prompt
from stages.lead_prompts.candidate import Candidate
from stages.lead_prompts.routes import choose_route, word_question
from stages.lead_prompts.scores import score_article


def recitation_candidate(
    name: str, task: dict[str, Any], document: dict[str, Any], split: str, seed: int
) -> Candidate | None:
    """The candidate of an article whose start can be cut at punctuation within the task's answer length."""
    rule = task["builder"]
    meta = document["meta"]
    if "article" not in meta:
        return None
    start = cut_at_punctuation(document["text"], rule["answer_characters"], rule["shortest_answer"])
    law = str(meta["law"]).removeprefix("中华人民共和国")
    if start is None or len(law) > rule["law_characters"]:
        return None
    identity = f"{name}/{document['id']}"
    route = choose_route(task["routes"], seed, identity)
    question, ask = word_question(task["routes"][route], law=law, article=meta["article"])
    prompt = Prompt(
        id=identity,
        task=name,
        question=question,
        reference=start,
        documents=[{key: document[key] for key in ("id", "title", "text")}],
        route=route,
        split=split,
        meta={"law": meta["law"], "article": meta["article"]},
    )
    scores = score_article(document["text"])
    return Candidate(prompt=prompt, scores=scores, scored_text=document["text"], ask=ask)
