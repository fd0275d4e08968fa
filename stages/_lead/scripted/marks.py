"""Marks of the scripted judge on the six axes, by comparing characters."""

from __future__ import annotations

from collections import Counter

from stages._lead.scripted.choices import options_of

AXES = ("reasoning", "consistency", "alignment", "conciseness", "language", "overall")


def marks(
    *, question: str, think: str, answer: str, reference: str, limits: dict[str, int]
) -> dict[str, int]:
    """Marks of 1-10. An answer that differs from the reference, or a trace about something else, falls below 7."""
    right = _overlap(answer, reference) if reference else 1.0
    about = _names_its_subject(question, think, answer)
    scores = {
        "reasoning": 9 if about else 6,
        "consistency": 10 if about else 5,
        "alignment": 1 + round(9 * right),
        "conciseness": 10 if len(think) <= limits["think"] and len(answer) <= limits["answer"] else 4,
        "language": 1 + round(9 * _chinese(think)),
    }
    return {**scores, "overall": min(scores.values())}


def faithful_marks(text: str, material: str) -> dict[str, int]:
    """Marks of 1-10 for a retold text: faithful by the share of the material's characters it has, useful by its length."""
    common = sum((Counter(text) & Counter(material)).values())
    said = common / max(1, len(material))
    return {"faithful": 1 + round(9 * min(1.0, said)), "useful": 8 if len(text) >= 40 else 5}


def _names_its_subject(question: str, think: str, answer: str) -> bool:
    """Whether the trace names the option that the answer chose, or else shares words with the question."""
    options = dict(options_of(question))
    if options:
        return options.get(answer, answer) in think
    return _overlap(think, question) > 0.3


def _overlap(text: str, other: str) -> float:
    """Share of the characters of the shorter text that the other one has as well, with their counts."""
    common = sum((Counter(text) & Counter(other)).values())
    return common / max(1, min(len(text), len(other)))


def _chinese(text: str) -> float:
    letters = [character for character in text if character.isalpha()]
    return sum("\u3400" <= character <= "\u9fff" for character in letters) / max(1, len(letters))
