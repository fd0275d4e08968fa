"""Folders of the compile cache: whole or not there, one's own while it is worked on, never a reason to fail."""

import os
import time
from pathlib import Path

import pytest

from stages._worker.artifacts import verify
from stages._worker.training.compile_cache import VARIABLE, cache_key, code_sha256, compile_cache

FACTS = {"loss": "next token", "inputs": [["int32", 4, 33]]}


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache"


def private_of(root: Path) -> Path:
    (found,) = root.glob(".legalone-compiling-*")
    return found


def compiled(root: Path) -> Path:
    """What a process leaves that compiled FACTS; its file stands for MindSpore's."""
    with compile_cache(FACTS):
        graph = private_of(root) / "rank_0" / "graph"
        graph.parent.mkdir()
        graph.write_text("a graph", encoding="utf-8")
    return root / cache_key(FACTS)


def test_what_was_compiled_is_kept_whole_and_worked_on_as_a_copy(root: Path) -> None:
    kept = compiled(root)
    verify(kept)
    with compile_cache(FACTS):
        graph = private_of(root) / "rank_0" / "graph"
        assert graph.read_text(encoding="utf-8") == "a graph"
        graph.write_text("spoilt", encoding="utf-8")
    verify(kept)
    assert list(root.iterdir()) == [kept]


def test_other_facts_find_nothing(root: Path) -> None:
    compiled(root)
    with compile_cache({**FACTS, "inputs": [["int32", 8, 33]]}):
        assert not any(private_of(root).iterdir())


def test_of_two_that_compile_at_once_the_first_is_kept(root: Path) -> None:
    with compile_cache(FACTS):
        mine = private_of(root)
        mine.rename(root / "aside")
        kept = compiled(root)
        (root / "aside").rename(mine)
    verify(kept)
    assert (kept / "rank_0" / "graph").is_file()
    assert list(root.iterdir()) == [kept]


def test_a_damaged_one_is_replaced(root: Path) -> None:
    kept = compiled(root)
    (kept / "rank_0" / "graph").write_text("A GRAPH", encoding="utf-8")
    with compile_cache(FACTS):
        assert not any(private_of(root).iterdir())
        assert not kept.exists()
        (private_of(root) / "graph").touch()
    verify(kept)


def test_a_failure_inside_keeps_nothing(root: Path) -> None:
    with pytest.raises(ValueError, match="out of this graph"), compile_cache(FACTS):
        raise ValueError("out of this graph")
    assert list(root.iterdir()) == []


def days_ago(folder: Path, days: float) -> None:
    then = time.time() - days * 86_400
    os.utime(folder, (then, then))


def test_what_a_killed_process_left_goes_after_a_day_and_nothing_of_others(root: Path) -> None:
    new, old = ".legalone-compiling-new", ".legalone-compiling-old"
    # A folder of pictures, and an artifact: somebody named a home or a workspace's store for the cache.
    others = {"somebody's", ".private-pictures", "a" * 64}
    for name, days in ((old, 1.1), (new, 0.9), *((name, 900) for name in others)):
        (root / name).mkdir(parents=True)
        (root / name / "manifest.json").write_text('{"kind": "model"}', encoding="utf-8")
        days_ago(root / name, days)
    with compile_cache(FACTS):
        names = {path.name for path in root.iterdir()}
    assert names >= others | {new} and old not in names


def test_a_compilation_goes_that_nobody_used_for_30_days(root: Path) -> None:
    kept = compiled(root)
    days_ago(kept, 29)
    with compile_cache(FACTS):
        pass
    assert time.time() - kept.stat().st_mtime < 60, "used a moment ago"
    days_ago(kept, 31)
    with compile_cache({**FACTS, "loss": "another"}):
        assert not kept.exists()


def test_a_folder_that_cannot_be_made_costs_nothing_but_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv(VARIABLE, str(tmp_path / "file" / "cache"))
    with compile_cache(FACTS):
        pass
    assert (tmp_path / "file").read_bytes() == b""


def test_the_key_changes_with_the_code(tmp_path: Path) -> None:
    seen = set()
    for name, code in (("a.py", "x = 1"), ("a.py", "x = 2"), ("b.py", "x = 2"), ("c.md", "x")):
        (tmp_path / name).write_text(code, encoding="utf-8")
        seen.add(code_sha256(tmp_path))
    assert len(seen) == 3
