"""The check on real criminal cases: a case agrees with itself, and one changed place is found."""

from __future__ import annotations

import random
import re
from collections.abc import Callable

import pytest

from stages._worker import jsonl
from stages._worker.locations import data_folder
from stages.synthetic.faithfulness.articles import Statutes, check_articles
from stages.synthetic.faithfulness.figures import missing_figure, read_figures
from stages.synthetic.faithfulness.names import wrong_name

FILES = [data_folder() / "lawbench" / name for name in ("3-1.jsonl", "3-3.jsonl", "3-4.jsonl")]
pytestmark = pytest.mark.skipif(
    not all(file.is_file() for file in FILES), reason="the demo data is not fetched: npm run setup"
)
NO_STATUTES = Statutes([])


@pytest.fixture(scope="module")
def cases() -> list[str]:
    """Texts with all their fields, so that cited articles and charges are there too."""
    rows = (row for file in FILES for row in jsonl.read(file))
    return ["\n".join(value for value in row.values() if isinstance(value, str)) for row in rows]


def fault(output: str, source: str) -> str | None:
    invented, _ = check_articles(output, source, NO_STATUTES)
    return (
        invented or missing_figure(read_figures(output), read_figures(source)) or wrong_name(output, source)
    )


def test_every_case_agrees_with_itself(cases: list[str]) -> None:
    assert len(cases) > 1000
    assert [seen for text in cases if (seen := fault(text, text)) is not None] == []


@pytest.mark.parametrize(
    ("pattern", "change"),
    [
        (r"\d[\d.,]*(?=万?元)", lambda draw: f"{draw.randint(100, 99999)}7"),
        (r"(?<=月)\d{1,2}(?=日)", lambda draw: str(draw.randint(1, 28))),
        (r"(?<=法第)\d+(?=条)", lambda draw: str(draw.randint(500, 999))),
        (r"(?<=被告人)[\u4e00-\u9fff]某", lambda draw: draw.choice("王李张刘陈杨黄赵周吴") + "某"),
    ],
    ids=["amount", "day", "article", "name"],
)
def test_one_changed_place_is_found(
    cases: list[str], pattern: str, change: Callable[[random.Random], str]
) -> None:
    """What is put in its place may by chance stand elsewhere in the case: that is no fault the rules can see."""
    draw = random.Random(7)
    tried = 0
    for text in cases:
        places = list(re.finditer(pattern, text))
        if not places:
            continue
        place = draw.choice(places)
        new = change(draw)
        if new in text:
            continue
        tried += 1
        assert fault(text[: place.start()] + new + text[place.end() :], text), (place.group(), new)
    assert tried > 50
