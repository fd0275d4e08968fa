"""Multiple choice by rule: the option that the material names, else the one that shares most with the facts."""

from __future__ import annotations

import re

_OPTION = re.compile(r"([A-H])[：:]\s*([^\sA-H][^\n]*?)(?=\s*[A-H][：:]|\s*$)")


def options_of(question: str) -> list[tuple[str, str]]:
    """(letter, text) of the options in a question; empty when it has none."""
    return [(letter, text.strip(" ；;，,。")) for letter, text in _OPTION.findall(question)]


def choose(question: str, material: str) -> tuple[str, str]:
    """The letter and text of the chosen option."""
    found = options_of(question)
    named = [option for option in found if option[1] in material]
    # A longer name contains shorter ones: 合同诈骗 contains 诈骗.
    if named:
        return max(named, key=lambda option: len(option[1]))
    facts = set(question.partition("A")[0])
    return max(found, key=lambda option: len(facts & set(option[1])))
