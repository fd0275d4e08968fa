"""A text told again by rule: its clauses one by one, with words of a fixed list between them."""

from __future__ import annotations

from stages._lead.clauses import clauses

_BETWEEN = (
    "先要说明的是",
    "接着可以看到",
    "还应当注意",
    "与此相连的是",
    "由此再往下",
    "同样要紧的是",
    "归结起来",
)


def retell(documents: list[tuple[str, str]], *, opening: str, longest: int) -> str:
    """The first document, (title, text), within `longest` characters: nothing is added but the words between."""
    if not documents:
        return ""
    title, text = documents[0]
    told = f"{opening}{title}。" if title else f"{opening}。"
    for number, clause in enumerate(clauses(text)):
        sentence = f"{_BETWEEN[number % len(_BETWEEN)]}：{clause}。"
        if len(told) + len(sentence) > longest:
            break
        told += sentence
    return told
