"""A training whose graph comes from the compile cache ends bit for bit like one that compiled it itself."""

from pathlib import Path

import pytest
from chaos.chain import Chain
from chaos.kills import Kill
from chaos.trainings import MIDTRAIN, make_training
from support.jobs import run_stage, start, stderr_of

from stages._worker.artifacts import verify
from stages._worker.training.compile_cache import VARIABLE

pytestmark = pytest.mark.long

LOADED = "Use the compilation cache"
"""What MindSpore says to standard error when it takes a graph from its cache."""
IN_A_STEP = Kill(name="in a step", event={"type": "progress", "step": 20}, after=0.05)
HALF_WRITTEN = [
    Kill(name="while compiling", event={"type": "phase", "phase": "compiling"}, after=0.5),
    # Of all renames of the attempt those of a folder that begins so: the one into place, and its manifest before.
    Kill(name="before the manifest", place="os.rename|/.legalone-compiling-|1"),
    Kill(name="before it is in place", place="os.rename|/.legalone-compiling-|2"),
]


def complete(cache: Path) -> list[Path]:
    return [path for path in cache.glob("*") if not path.name.startswith(".")]


def test_killed_before_and_after_its_graph_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_job = make_training("midtrain", tmp_path)
    monkeypatch.delenv(VARIABLE, raising=False)
    alone = Chain(make_job, tmp_path / "alone")
    assert alone.attempt(None)
    assert LOADED not in stderr_of(alone.jobs[0])
    expected = alone.outcome()

    cache = tmp_path / "cache"
    monkeypatch.setenv(VARIABLE, str(cache))
    chain = Chain(make_job, tmp_path / "killed")
    for kill in HALF_WRITTEN:
        assert not chain.attempt(kill)
        assert complete(cache) == [], kill
    assert not chain.attempt(IN_A_STEP)
    (kept,) = complete(cache)
    verify(kept)
    assert not any(LOADED in stderr_of(job) for job in chain.jobs)
    assert not chain.attempt(Kill(name="in a later step", event={"type": "progress", "step": 40}, after=0.05))
    assert LOADED in stderr_of(chain.jobs[-1])
    assert chain.attempt(None)
    assert LOADED in stderr_of(chain.jobs[-1])
    assert chain.outcome() == expected

    fresh = Chain(make_job, tmp_path / "fresh")
    assert fresh.attempt(None)
    assert LOADED in stderr_of(fresh.jobs[0])
    assert fresh.outcome() == expected


def test_two_at_once_keep_one_graph_and_end_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_job = make_training("midtrain", tmp_path)
    monkeypatch.setenv(VARIABLE, str(tmp_path / "cache"))
    chains = []
    for name in ("one", "other"):
        chains.append(Chain(make_job, tmp_path / name))
        chains[-1].jobs.append(make_job(tmp_path / name))
    processes = [start(chain.jobs[0]) for chain in chains]
    assert [process.wait(timeout=600) for process in processes] == [0, 0]
    assert chains[0].outcome() == chains[1].outcome()
    (kept,) = complete(tmp_path / "cache")
    verify(kept)


@pytest.mark.parametrize("kind", ["base", "sft"])
def test_the_other_stages_that_train_in_one_graph(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_job = make_training(kind, tmp_path)
    outcomes = []
    for name in ("without", "compiled", "loaded"):
        if name != "without":
            monkeypatch.setenv(VARIABLE, str(tmp_path / "cache"))
        chain = Chain(make_job, tmp_path / name)
        assert chain.attempt(None)
        assert (LOADED in stderr_of(chain.jobs[0])) == (name == "loaded")
        outcomes.append(chain.outcome())
    assert outcomes[1] == outcomes[0] and outcomes[2] == outcomes[0]


def test_a_step_of_several_graphs_is_never_cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "cache"))
    options = {**MIDTRAIN, "trainer": {"micro_batch": 2}}
    job = make_training("midtrain", tmp_path)(tmp_path / "parted", **{"with": options})
    assert run_stage(job) == 0, stderr_of(job)
    assert not (tmp_path / "cache").exists()
