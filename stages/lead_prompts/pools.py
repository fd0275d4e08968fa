"""The prompts RL repeats: some of the training prompts, the same at every call."""

from __future__ import annotations

from collections import Counter

from stages._lead.prompt import Prompt
from stages._worker.failures import DataError


def mark_pool(prompts: list[Prompt], name: str, size: int) -> None:
    """Marks `size` prompts as the pool `name`: subjects (laws, charges) in turn, so that all are there.

    Inside a subject whole sentences come before references that a comma ends. DataError when there are too few.
    """
    if len(prompts) < size:
        raise DataError(f"pool {name}: {size} prompts are wanted, {len(prompts)} are there")
    turns: Counter[str] = Counter()
    ordered: list[tuple[int, Prompt]] = []
    for prompt in sorted(prompts, key=lambda prompt: not _is_sentence(prompt)):
        subject = str(prompt.meta.get("law") or prompt.meta.get("charge") or prompt.id)
        ordered.append((turns[subject], prompt))
        turns[subject] += 1
    for _, prompt in sorted(ordered, key=lambda each: each[0])[:size]:
        prompt.pool = name


def _is_sentence(prompt: Prompt) -> bool:
    return len(prompt.reference) == 1 or prompt.reference.endswith("。")
