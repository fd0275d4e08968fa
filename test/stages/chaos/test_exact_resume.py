"""A training killed at any moment and gone on with ends bit for bit like one that was left alone.

`LEGALONE_CHAOS_SEED=<n>` replays the kills of one seed; `LEGALONE_CHAOS_KILLS=<n>` sets how many there are.
"""

import os
import random
import shutil
from pathlib import Path
from typing import Any

import pytest
from chaos.chain import Chain
from chaos.kills import draw_kill
from chaos.trainings import make_training

SEED = int(os.environ.get("LEGALONE_CHAOS_SEED", "1"))
STEPS = {"base": 60, "midtrain": 60, "sft": 60, "rl": 8}


def trained_alone(kind: str, root: Path) -> tuple[Any, dict[str, Any]]:
    make_job = make_training(kind, root)
    alone = Chain(make_job, root / "alone")
    assert alone.attempt(None)
    return make_job, alone.outcome()


def kill_and_compare(kind: str, root: Path, *, kills: int) -> None:
    kills = int(os.environ.get("LEGALONE_CHAOS_KILLS", kills))
    make_job, expected = trained_alone(kind, root)
    chance = random.Random(f"{SEED}-{kind}")
    done = chains = 0
    while done < kills:
        chains += 1
        folder = root / f"chain-{chains}"
        chain = Chain(make_job, folder)
        finished = False
        while not finished and done < kills:
            kill = draw_kill(chance, steps=STEPS[kind])
            finished = chain.attempt(kill)
            done += not finished
            said = "ended before" if finished else f"kill {done}"
            print(
                f"seed {SEED}, {kind}, chain {chains}, attempt {len(chain.jobs)}: {said}: {kill}", flush=True
            )
        if not finished:
            assert chain.attempt(None)
        seen = chain.outcome()
        for part in expected:
            assert seen[part] == expected[part], f"{part} differs after seed {SEED}, chain {chains}"
        shutil.rmtree(folder)


def test_midtrain_killed_three_times(tmp_path: Path) -> None:
    kill_and_compare("midtrain", tmp_path, kills=3)


@pytest.mark.long
@pytest.mark.parametrize(("kind", "kills"), [("rl", 20), ("midtrain", 20), ("sft", 20), ("base", 10)])
def test_killed_many_times(tmp_path: Path, kind: str, kills: int) -> None:
    kill_and_compare(kind, tmp_path, kills=kills)
