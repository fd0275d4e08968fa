"""Every file of configs/corpora and configs/lead has the form of its schema."""

import json
from pathlib import Path

import pytest
import yaml
from support.look_up import LookUp

from stages._lead.config import complete_lead
from stages._worker.failures import UserError
from stages._worker.locations import CHECKOUT
from stages.corpus.config import complete_corpus


def files(folder: str) -> list[Path]:
    return sorted((CHECKOUT / "configs" / folder).glob("*.yaml"))


def load(path: Path) -> dict:
    return {"name": path.stem, **yaml.safe_load(path.read_text(encoding="utf-8"))}


@pytest.mark.parametrize("path", files("corpora"), ids=lambda path: path.stem)
def test_corpora(path: Path) -> None:
    config = complete_corpus(load(path))
    for source in config["sources"]:
        assert source["license"].strip()
        assert source["encoding"] == "utf-8"


@pytest.mark.parametrize("path", files("lead"), ids=lambda path: path.stem)
def test_lead(path: Path) -> None:
    config = complete_lead(load(path))
    assert config["quality"]["lowest"] == 7
    assert config["scoring"]["lowest"] == 3


def test_all_violations_are_told_at_once() -> None:
    config = load(CHECKOUT / "configs" / "corpora" / "demo.yaml")
    config["samples"] = -1
    config["sources"][0]["group"] = "legel"
    config["sources"][1]["pfad"] = "x"
    with pytest.raises(UserError) as caught:
        complete_corpus(config)
    for words in ("samples", "sources.0.group: 'legel'", "sources.1", "pfad"):
        assert words in str(caught.value)


def test_two_sources_of_one_name_are_refused() -> None:
    config = load(CHECKOUT / "configs" / "corpora" / "demo.yaml")
    config["sources"][1]["name"] = config["sources"][0]["name"]
    with pytest.raises(UserError, match="named twice: peoples-daily"):
        complete_corpus(config)


@pytest.mark.parametrize("threshold", [0.1, 0.5, 0.8, 0.95])
@pytest.mark.parametrize("permutations", [32, 64, 128, 512])
def test_every_allowed_pair_of_threshold_and_permutations_works(
    tmp_path: Path, threshold: float, permutations: int
) -> None:
    limits = json.loads((CHECKOUT / "configs" / "corpora" / "schema.json").read_text())["properties"][
        "duplicates"
    ]
    assert limits["properties"]["threshold"]["maximum"] == 0.95
    assert limits["properties"]["permutations"]["minimum"] == 32
    found = LookUp(tmp_path, threshold=threshold, permutations=permutations)
    assert found.find("a", "人民法院审理行政案件") is None
    assert found.find("b", "人民法院审理行政案件。") == ("exact_duplicate", "a")
