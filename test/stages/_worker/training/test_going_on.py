from pathlib import Path
from typing import Any

import mindspore as ms
import numpy as np
import pytest
from mindspore import nn
from support.jobs import make_worker, read_events

from stages._worker.failures import ResumeRefused
from stages._worker.training.adamw import AdamWSettings
from stages._worker.training.checkpoint import Checkpoint
from stages._worker.training.going_on import begin_again, refuse_another_past, restore
from stages._worker.training.ledger import Ledger, fork
from stages._worker.training.train_step import TrainStep
from stages._worker.worker import Worker

SETTINGS = {"kind": "midtrain", "seed": 7, "options": {"batch": 4, "schedule": {"max": 0.01}}}


def past() -> Ledger:
    ledger = Ledger()
    for rows in ([0, 1], [2, 3]):
        ledger.consume(np.array(rows))
    return ledger


def checkpoint(**changes: Any) -> Checkpoint:
    cursor = {**past().as_json(), "orderSha256": "ab"}
    fields = {"step": 2, "cursor": cursor, "settings": SETTINGS, "environment": {}, "tensors": {}}
    return Checkpoint(**fields | changes)


@pytest.fixture
def worker(tmp_path: Path) -> Any:
    worker = make_worker("midtrain", tmp_path)
    yield worker
    worker.close()


def again(
    worker: Worker, found: Checkpoint, settings: dict, *, order: str = "ab", fork: bool = False
) -> Ledger:
    return begin_again(worker, found, settings, order_sha256=order, fork=fork)


def test_every_difference_is_named_and_fork_is_the_way(worker: Worker) -> None:
    other = {"kind": "midtrain", "seed": 8, "options": {"batch": 8, "schedule": {"max": 0.02}}}
    with pytest.raises(ResumeRefused) as refused:
        again(worker, checkpoint(), other, order="cd")
    message = str(refused.value)
    for difference in (
        "orderSha256 was ab and is cd",
        "options.batch was 4 and is 8",
        "options.schedule.max was 0.01 and is 0.02",
        "seed was 7 and is 8",
    ):
        assert difference in message
    assert "legalone fork" in str(refused.value.hint)


def test_the_same_rows_prove_the_past_and_others_do_not(worker: Worker) -> None:
    ledger = again(worker, checkpoint(), SETTINGS)
    assert (ledger.row, ledger.begins) == (0, None)
    refuse_another_past(past(), checkpoint())
    for rows in ([[0, 1], [3, 2]], [[0, 1]], [[0, 1], [2, 3], [4, 5]], [[2, 3], [0, 1]]):
        other = Ledger()
        for step in rows:
            other.consume(np.array(step))
        with pytest.raises(ResumeRefused, match="not those the checkpoint consumed"):
            refuse_another_past(other, checkpoint())


def test_a_fork_takes_changes_tells_them_once_and_begins_a_new_chain(worker: Worker) -> None:
    ledger = again(worker, checkpoint(), {**SETTINGS, "options": {"batch": 8}}, order="cd", fork=True)
    assert (ledger.row, ledger.head) == (4, fork(past().head))
    told = [event for event in read_events(worker.job.folder) if event["type"] == "warning"]
    assert [event["code"] for event in told] == ["forked"]
    assert "options.batch was 4 and is 8" in told[0]["message"]
    assert "orderSha256 was ab and is cd" in told[0]["message"]
    ledger.consume(np.array([9, 8]))
    later = checkpoint(step=3, cursor={**ledger.as_json(), "orderSha256": "cd"})
    proven = again(worker, later, SETTINGS, order="cd")
    assert proven.begins is not None and proven.begins.step == 2
    proven.consume(np.array([9, 8]))
    refuse_another_past(proven, later)


def test_a_checkpoint_without_a_ledger_is_refused(worker: Worker) -> None:
    found = checkpoint(cursor={"orderSha256": "ab"})
    with pytest.raises(ResumeRefused, match="no ledger"):
        again(worker, found, SETTINGS, fork=True)
    with pytest.raises(ResumeRefused):
        refuse_another_past(past(), found)


class Loss(nn.Cell):
    def __init__(self) -> None:
        super().__init__()
        self.weight = ms.Parameter(ms.Tensor(np.zeros((2, 3), np.float32)), name="weight")

    def construct(self) -> ms.Tensor:
        return self.weight.sum()


def test_another_shape_is_refused_by_name() -> None:
    network = Loss()
    step = TrainStep(network, AdamWSettings())
    right = {"weight": np.ones((2, 3), np.float32)}
    moments = {f"adam_{m}.weight": np.full((2, 3), 2, np.float32) for m in "mv"}
    restore(network, step, checkpoint(tensors={"model": right, "optimizer": moments}))
    assert network.weight.asnumpy().sum() == 6 and step.updates == 2
    assert all(moment.asnumpy().sum() == 12 for moment in step.optimizer.moments().values())
    wrong = {"weight": np.ones((2, 4), np.float32)}
    with pytest.raises(ResumeRefused, match=r"weight has shape \(2, 4\), expected \(2, 3\)"):
        restore(network, step, checkpoint(tensors={"model": wrong, "optimizer": moments}))
    with pytest.raises(ResumeRefused, match=r"adam_m\.weight is missing"):
        restore(network, step, checkpoint(tensors={"model": right, "optimizer": {}}))
