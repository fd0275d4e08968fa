"""The prompts RL repeats: a few of the training prompts, the same at every call."""

from __future__ import annotations

from stages._lead.prompt import Prompt
from stages._worker.failures import DataError


def mark_pool(prompts: list[Prompt], name: str, size: int) -> None:
    """Marks `size` prompts with distinct subjects (laws, charges) as the pool `name`.

    Whole sentences come before references that a comma ends. DataError when there are too few.
    """
    seen: set[str] = set()
    ordered = sorted(prompts, key=lambda prompt: not _is_sentence(prompt))
    chosen = []
    for prompt in ordered:
        subject = str(prompt.meta.get("law") or prompt.meta.get("charge") or prompt.id)
        if subject not in seen and len(chosen) < size:
            seen.add(subject)
            chosen.append(prompt)
    if len(chosen) < size:
        raise DataError(f"pool {name}: {size} prompts with distinct subjects wanted, {len(chosen)} found")
    for prompt in chosen:
        prompt.pool = name


def _is_sentence(prompt: Prompt) -> bool:
    return len(prompt.reference) == 1 or prompt.reference.endswith("。")
