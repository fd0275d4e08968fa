"""The faithfulness check: pure; the first rule that is broken names the reason."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from stages.synthetic.faithfulness.articles import Statutes, check_articles
from stages.synthetic.faithfulness.figures import missing_figure, read_figures
from stages.synthetic.faithfulness.names import wrong_name
from stages.synthetic.faithfulness.overlap import copied_share, key_terms, terms_share

REASONS = ("too_short", "too_long", "copied", "article", "figure", "name", "unrelated")


@dataclass(kw_only=True, slots=True, frozen=True)
class Fault:
    """Why a text is not taken, and the place that shows it."""

    reason: str
    """One of REASONS."""
    detail: str


def find_fault(
    output: str, *, title: str, text: str, length: dict[str, float], rules: dict[str, Any], statutes: Statutes
) -> Fault | None:
    """What makes `output` unfaithful to the source of this title and text, or None.

    `length`: least and most characters as shares of the text. `rules`: faithfulness of configs/synthetic.
    Cited articles must stand in the source or in `statutes`; the texts of those found there may be quoted, so that
    their figures count as known. Lengths are in characters, shares in [0, 1].
    """
    ratio = len(output) / max(1, len(text))
    if ratio < length["min"]:
        return Fault(reason="too_short", detail=f"{ratio:.2f} of the source, at least {length['min']}")
    if ratio > length["max"]:
        return Fault(reason="too_long", detail=f"{ratio:.2f} of the source, at most {length['max']}")
    copied = copied_share(output, text, rules["ngram"])
    if copied > rules["max_copied"]:
        return Fault(
            reason="copied", detail=f"{copied:.2f} of it stands in the source, at most {rules['max_copied']}"
        )
    source = f"{title}\n{text}"
    invented, quoted = check_articles(output, source, statutes)
    if invented is not None:
        return Fault(reason="article", detail=f"{invented} is in neither source nor corpus")
    figure = missing_figure(read_figures(output), read_figures("\n".join([source, *quoted])))
    if figure is not None:
        return Fault(reason="figure", detail=f"the source does not have {figure}")
    name = wrong_name(output, source)
    if name is not None:
        return Fault(reason="name", detail=f"the source does not have {name}")
    terms = key_terms(text, rules["terms"])
    share = terms_share(output, terms)
    if share < rules["min_terms"]:
        return Fault(
            reason="unrelated", detail=f"{share:.2f} of the terms, at least {rules['min_terms']}: {terms}"
        )
    return None
