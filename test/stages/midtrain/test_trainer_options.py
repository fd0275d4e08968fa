"""The options of the native trainer in the stage as it is started, killed and gone on with."""

from pathlib import Path
from typing import Any

import pytest
from chaos.chain import Chain
from chaos.kills import Kill
from chaos.trainings import MIDTRAIN, make_training
from support.jobs import read_events, result_of, run_stage, stderr_of

SPIKE = {"factor": 1.01, "window": 4, "action": "skip", "limit": 60}
OPTIONS = {**MIDTRAIN, "trainer": {"micro_batch": 2}, "attention": "document", "spike": SPIKE}


@pytest.mark.long
def test_killed_with_skipped_steps_behind_and_ahead_it_ends_with_the_same_bits(tmp_path: Path) -> None:
    training = make_training("midtrain", tmp_path)

    def make_job(folder: Path, **fields: Any) -> dict[str, Any]:
        return training(folder, **{"with": OPTIONS, **fields})

    alone = Chain(make_job, tmp_path / "alone")
    assert alone.attempt(None)
    expected = alone.outcome()
    skipped = expected["summary"]["skippedSteps"]
    told = [e for e in read_events(Path(alone.jobs[0]["folder"])) if e.get("code") == "spike_skipped"]
    assert len(told) == len(skipped) > 2
    middle = 8 * ((skipped[0] + skipped[-1]) // 16)
    killed = Chain(make_job, tmp_path / "killed")
    assert not killed.attempt(
        Kill(name="between skips", event={"type": "checkpoint", "step": max(8, middle)})
    )
    assert killed.attempt(None)
    assert killed.outcome() == expected


def test_back_ends_with_the_numeric_reason_and_its_checkpoint_kept(tmp_path: Path) -> None:
    options = {**OPTIONS, "spike": {**SPIKE, "action": "back"}}
    job = make_training("midtrain", tmp_path)(tmp_path / "attempt", **{"with": options})
    assert run_stage(job) == 76, stderr_of(job)
    result = result_of(job)
    assert result["reason"] == "nan_loss" and "times the median of the last 4" in result["message"]
