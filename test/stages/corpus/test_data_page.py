"""docs/data.md: its example is a corpus config, and it names what exists."""

import re

import yaml

from stages._worker.locations import CHECKOUT
from stages.corpus.config import complete_corpus
from stages.corpus.reading.readers import READERS

PAGE = (CHECKOUT / "docs" / "data.md").read_text(encoding="utf-8")


def test_the_example_has_the_form() -> None:
    (example,) = re.findall(r"```yaml corpus\n(.*?)```", PAGE, re.DOTALL)
    complete_corpus({"name": "example", **yaml.safe_load(example)})


def test_every_format_and_variable_is_named() -> None:
    for form in [*READERS, "lawbench"]:
        assert f"`{form}`" in PAGE
    lead = (CHECKOUT / "configs" / "lead" / "demo.yaml").read_text(encoding="utf-8")
    for variable in re.findall(r"_env: (\w+)", lead):
        assert f"`{variable}`" in PAGE
