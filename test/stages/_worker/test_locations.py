"""What a job may read of its machine."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from stages._worker.failures import UserError
from stages._worker.locate import locate
from stages._worker.locations import CHECKOUT, resolve_data


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace, and a worker in the folder of its attempt."""
    home = tmp_path / "above" / "home"
    attempt = home / "attempts" / "r1-a-g1-s0-e1"
    attempt.mkdir(parents=True)
    (home / "serve.json").write_text("{}")
    (home / "data").mkdir()
    (home / "data" / "laws.jsonl").write_text("")
    monkeypatch.setenv("LEGALONE_HOME", str(home))
    monkeypatch.chdir(attempt)
    return home


def test_neither_the_workspace_nor_what_holds_it_is_data(home: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(home.parent)
    (tmp_path / "note").symlink_to(home / "serve.json")
    refused = ["/", str(home), str(home.parent), f"{home}/attempts", f"{home}/../..", str(tmp_path / "link")]
    for path in [*refused, str(tmp_path / "note"), f"{home}/serve.json", "/proc/self/environ"]:
        with pytest.raises(UserError, match=r"secrets|no data"):
            resolve_data(path)
    for path in [f"{home}/data/laws.jsonl", f"{home}/artifacts/{'a' * 64}", str(tmp_path / "corpus")]:
        assert resolve_data(path) == Path(path)


def test_a_relative_address_is_one_of_the_checkout_wherever_the_worker_runs(home: Path) -> None:
    assert resolve_data("pipelines/demo.yaml") == CHECKOUT / "pipelines" / "demo.yaml"
    [found] = locate("demo", "pipelines/demo.yaml")
    assert (found.path, found.name) == (CHECKOUT / "pipelines" / "demo.yaml", "pipelines/demo.yaml")
    assert os.getcwd() == str(home / "attempts" / "r1-a-g1-s0-e1")
