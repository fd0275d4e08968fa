"""Reading the answer to a multiple-choice question, strictly: a set of letters or nothing."""

import re
import unicodedata

_LETTERS = "ABCDEFGH"
_SEPARATORS = r"[\s、,，;；和与及.]*"
_RUN = rf"[{_LETTERS}](?:{_SEPARATORS}[{_LETTERS}])*"
# Letters that belong to a Latin word ("ANSWER") are no choice.
_LONE_RUN = rf"(?<![A-Z])({_RUN})(?![A-Z])"
_STATED = re.compile(rf"(?:答案|正确选项|正确答案|ANSWER|应选|故选|选择|选)(?:应?[为是:]|IS)*\s*{_LONE_RUN}")
_BARE = re.compile(rf"^\W*{_LONE_RUN}\W*$")


def read_choice(answer: str) -> frozenset[str] | None:
    """The chosen letters, or None when the answer states none or contradicts itself.

    Read are: an answer of letters alone ("BA", "B、A", "（b）", full width too), and letters after a statement
    ("答案：B", "故选 AB"). Several statements must agree. Order and repetition do not matter: "BA" is "AB".
    """
    text = unicodedata.normalize("NFKC", answer).upper().strip()
    bare = _BARE.match(text)
    if bare:
        return _letters(bare.group(1))
    stated = {_letters(match.group(1)) for match in _STATED.finditer(text)}
    return stated.pop() if len(stated) == 1 else None


def _letters(run: str) -> frozenset[str]:
    return frozenset(letter for letter in run if letter in _LETTERS)
