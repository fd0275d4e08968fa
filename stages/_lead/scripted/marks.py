"""Marks of the scripted judge on the six axes, by comparing characters."""

from __future__ import annotations

from collections import Counter

AXES = ("reasoning", "consistency", "alignment", "conciseness", "language", "overall")


def marks(
    *, question: str, think: str, answer: str, reference: str, limits: dict[str, int]
) -> dict[str, int]:
    """Marks of 1-10. An answer that differs from the reference, or a trace about something else, falls below 7."""
    right = _overlap(answer, reference) if reference else 1.0
    about = _overlap(think, question)
    scores = {
        "reasoning": 5 + round(5 * min(1.0, 1.5 * about)),
        "consistency": 10 if about > 0.3 else 5,
        "alignment": 1 + round(9 * right),
        "conciseness": 10 if len(think) <= limits["think"] and len(answer) <= limits["answer"] else 4,
        "language": 1 + round(9 * _chinese(think)),
    }
    return {**scores, "overall": min(scores.values())}


def _overlap(text: str, other: str) -> float:
    """Share of the characters of the shorter text that the other one has as well, with their counts."""
    common = sum((Counter(text) & Counter(other)).values())
    return common / max(1, min(len(text), len(other)))


def _chinese(text: str) -> float:
    letters = [character for character in text if character.isalpha()]
    return sum("\u3400" <= character <= "\u9fff" for character in letters) / max(1, len(letters))
