"""DAPO's loss against an independent calculation in NumPy."""

from pathlib import Path

import numpy as np
import pytest
from mindspore import Tensor
from support.tiny_model import tiny_model_folder

from stages._worker.model import device
from stages._worker.model.folder import load_model
from stages._worker.training.train_step import NextTokenLoss
from stages.rl.loss import AnswerLogProbs, DapoLoss, DapoLossWithReplay

PROMPT, ANSWER, ROWS = 6, 5, 4
TEMPERATURE = 0.7


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory):
    device.set_up()
    return load_model(tiny_model_folder(Path(tmp_path_factory.mktemp("model"))))[0]


@pytest.fixture(scope="module")
def batch() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(2)
    tokens = rng.integers(5, 300, (ROWS, PROMPT + ANSWER)).astype(np.int32)
    padding = np.array([0, 1, 3, 4], np.int32)
    lengths = np.array([5, 2, 4, 1])
    counted = (np.arange(ANSWER) < lengths[:, None]).astype(np.float32)
    return {"tokens": tokens, "padding": padding, "counted": counted, "lengths": lengths}


def alone(network, row: np.ndarray, padding: int) -> np.ndarray:
    """Log-probabilities of the answer of one row computed without padding, from plain logits."""
    tokens = row[padding:]
    logits = network(Tensor(tokens[None, :-1])).asnumpy()[0].astype(np.float64) / TEMPERATURE
    shifted = logits - logits.max(-1, keepdims=True)
    log_probs = shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))
    return np.array([log_probs[at - 1, tokens[at]] for at in range(PROMPT - padding, len(tokens))])


def test_padding_on_the_left_changes_nothing(network, batch) -> None:
    cell = AnswerLogProbs(network, prompt=PROMPT, temperature=TEMPERATURE)
    got = cell(Tensor(batch["tokens"]), Tensor(batch["padding"])).asnumpy()
    for row in range(ROWS):
        expected = alone(network, batch["tokens"][row], int(batch["padding"][row]))
        assert got[row] == pytest.approx(expected, abs=2e-5)


def test_loss_and_measures(network, batch) -> None:
    cell = AnswerLogProbs(network, prompt=PROMPT, temperature=TEMPERATURE)
    new = cell(Tensor(batch["tokens"]), Tensor(batch["padding"])).asnumpy().astype(np.float64)
    # Ratios from 0.5 to 2, so that both bounds are met with both signs of the advantage.
    shift = np.random.default_rng(4).uniform(-0.7, 0.7, new.shape)
    old = (new - shift).astype(np.float32)
    advantages = np.array([0.8, -0.5, 0.3, -1.0], np.float32)

    total, clipped = 0.0, 0
    for row in range(ROWS):
        for at in range(batch["lengths"][row]):
            ratio = float(np.exp(new[row, at] - float(old[row, at])))
            gain = float(advantages[row])
            if gain >= 0:
                total += gain * min(ratio, 1.28)
                clipped += ratio > 1.28
            else:
                total += gain * max(ratio, 0.8)
                clipped += ratio < 0.8
    tokens = int(batch["lengths"].sum())

    loss, measures = DapoLoss(cell, clip_low=0.2, clip_high=0.28)(
        *(Tensor(batch[name]) for name in ("tokens", "padding", "counted")), Tensor(old), Tensor(advantages)
    )
    assert clipped > 2
    assert float(loss.asnumpy()) == pytest.approx(-total / tokens, abs=1e-5)
    share, entropy, ratio = measures.asnumpy()
    assert share == pytest.approx(clipped / tokens)
    assert entropy == pytest.approx(-(new * batch["counted"]).sum() / tokens, abs=1e-5)
    assert ratio == pytest.approx((np.exp(shift) * batch["counted"]).sum() / tokens, rel=1e-4)


def test_replayed_documents_take_their_share_of_the_loss(network, batch) -> None:
    dapo = DapoLoss(
        AnswerLogProbs(network, prompt=PROMPT, temperature=TEMPERATURE), clip_low=0.2, clip_high=0.28
    )
    arrays = (
        batch["tokens"],
        batch["padding"],
        batch["counted"],
        np.full((ROWS, ANSWER), -3.0, np.float32),
        np.array([0.8, -0.5, 0.3, -1.0], np.float32),
    )
    documents = np.random.default_rng(5).integers(5, 300, (3, 9)).astype(np.int32)
    weights = (np.arange(8) < np.array([8, 3, 5])[:, None]).astype(np.float32)
    alone_loss, measures = dapo(*map(Tensor, arrays))
    both = DapoLossWithReplay(dapo, NextTokenLoss(network), share=0.3)
    loss, measured = both(*map(Tensor, (*arrays, documents, weights)))
    plain = []
    for row, places in zip(documents, (8, 3, 5), strict=True):
        logits = network(Tensor(row[None, :-1])).asnumpy()[0].astype(np.float64)
        shifted = logits - logits.max(-1, keepdims=True)
        log_probs = shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))
        plain += [-log_probs[at, row[at + 1]] for at in range(places)]
    assert measured.asnumpy()[:3] == pytest.approx(measures.asnumpy(), abs=1e-6)
    assert float(measured.asnumpy()[3]) == pytest.approx(np.mean(plain), abs=1e-4)
    expected = 0.7 * float(alone_loss.asnumpy()) + 0.3 * np.mean(plain)
    assert float(loss.asnumpy()) == pytest.approx(expected, abs=1e-4)
