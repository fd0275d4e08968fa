"""Scores exactly as LegalKit computes them, defects included; strict_scores.py has ours.

Known defects that are kept here on purpose: an unclosed `<think>` is read as the answer; "BA" is not "AB"; text
from the first 解析 or 分析 on is cut even before the answer; an unread answer equals an unread reference; empty
texts leave the list before predictions and references are paired.
"""

import re
from collections.abc import Sequence

import numpy as np

from stages._worker.rouge_words import rouge_l

_DROPPED = str.maketrans("", "", "、.,;，和")
_RUNS = re.compile(r"[ABCDE]{1,5}")


def clean_prediction(text: str) -> str:
    """The text after the last `</think>`, only where both tags occur; stripped."""
    if "<think>" in text and "</think>" in text:
        text = text.rsplit("</think>", 1)[1]
    return text.strip()


def read_letters(text: str | None) -> str:
    """The option letters LegalKit reads out of a text: "" when there are none."""
    if text is None:
        return ""
    head = text.split("解析")[0].split("分析")[0].translate(_DROPPED)
    runs = [run for run in _RUNS.findall(head) if len(set(run)) == len(run)]
    return "".join(dict.fromkeys("".join(runs)))


def choice_score(predictions: Sequence[str], references: Sequence[str]) -> float:
    """Share of equal readings, in percent."""
    right = [read_letters(p) == read_letters(r) for p, r in zip(predictions, references, strict=True)]
    return percent(sum(right) / len(right))


def rouge_score(predictions: Sequence[str], references: Sequence[str]) -> float:
    """Mean Rouge-L F in percent over the pairs that are left after empty texts are dropped from either list."""
    kept_predictions = [text for text in predictions if text and text.strip()]
    kept_references = [text for text in references if text and text.strip()]
    scores = [rouge_l(p, r) for p, r in zip(kept_predictions, kept_references, strict=False)]
    return percent(float(np.mean(scores))) if scores else float("nan")


def percent(value: float) -> float:
    """LegalKit multiplies what lies in 0 .. 1 by 100 and leaves the rest."""
    return value * 100 if 0.0 <= value <= 1.0 else value
