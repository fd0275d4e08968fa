"""Tasks on whole documents (consultation, judgment prediction, summary, law application, drafting)."""

from __future__ import annotations

from typing import Any

from stages._lead.citations import citations
from stages._lead.prompt import Prompt
from stages.lead_prompts.candidate import Candidate
from stages.lead_prompts.routes import choose_route, word_question
from stages.lead_prompts.scores import score_facts, score_parts
from stages.lead_prompts.segment import segment


def casework_candidate(
    name: str,
    task: dict[str, Any],
    document: dict[str, Any],
    openings: dict[str, list[str]],
    split: str,
    seed: int,
) -> Candidate | None:
    """The candidate of a document that has the parts a task shows and the part it asks for."""
    rule = task["builder"]
    parts = segment(document, openings)
    items = _articles(document, parts) if rule["reference"] == "articles" else []
    if items:
        parts["articles"] = "\n".join(items)
    wanted = list(dict.fromkeys([*rule["shown"], rule["reference"]]))
    if any(part not in parts for part in wanted):
        return None
    identity = f"{name}/{document['id']}"
    route = choose_route(task["routes"], seed, identity)
    shown = "\n".join(parts[part] for part in rule["shown"])
    question, ask = word_question(task["routes"][route], title=document["title"], parts=parts, shown=shown)
    scores = score_parts(parts, [part for part in wanted if part != "articles"])
    if "facts" in wanted:
        scores = score_facts(parts["facts"], has_outcome="decision" in parts)
    prompt = Prompt(
        id=identity,
        task=name,
        question=question,
        reference=parts[rule["reference"]][: rule["reference_characters"]],
        documents=[{key: document[key] for key in ("id", "title", "text")}],
        route=route,
        split=split,
        meta={
            "date": document.get("date"),
            "source": document.get("source"),
            **({"items": items} if items else {}),
        },
    )
    return Candidate(prompt=prompt, scores=scores, scored_text=shown, ask=ask)


def _articles(document: dict[str, Any], parts: dict[str, str]) -> list[str]:
    """Articles the decision rests on, as 《law》article: those the corpus knows, and those its text cites."""
    known = "，".join(map(str, document["meta"].get("articles") or []))
    cited = citations(f"{known}。{parts.get('reasoning', '')}。{parts.get('decision', '')}")
    return [f"《{law}》{article}" for law, article in cited]
