"""A batch in parts gives the numbers of the whole batch; a spike leaves the weights alone."""

from pathlib import Path
from typing import Any

import mindspore as ms
import numpy as np
import pytest
from support.tiny_model import tiny_model_folder

from stages._worker.failures import NumericError
from stages._worker.model import device
from stages._worker.model.folder import load_model
from stages._worker.model.weights import weights_of
from stages._worker.training.adamw import AdamWSettings
from stages._worker.training.document_loss import DocumentLoss, choose_loss, segments_of
from stages._worker.training.parted.choose import choose_step
from stages._worker.training.parted.parted_step import PartedStep
from stages._worker.training.parted.parts import parts_of
from stages._worker.training.parted.spike_guard import spike_guard
from stages._worker.training.train_step import NextTokenLoss, TrainStep

RATE = 3e-3
OFF = {"factor": None, "window": 2, "of": "loss", "action": "skip", "limit": 4}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    device.set_up()
    return tiny_model_folder(tmp_path_factory.mktemp("model"))


def batches(steps: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Eight rows, some tokens without weight, the fifth row without any."""
    stream = np.random.default_rng(4)
    found = []
    for _ in range(steps):
        tokens = stream.integers(0, 300, (8, 25)).astype(np.int32)
        weights = (stream.random((8, 24)) < 0.6).astype(np.float32)
        weights[4] = 0
        found.append((tokens, weights))
    return found


def in_parts(step: PartedStep, batch: tuple[np.ndarray, ...], number: int) -> Any:
    parts = parts_of(8, micro_batch=step.micro_batch, rank=0, ranks=1)
    return step((tuple(array[part] for array in batch) for part in parts), RATE, step=number)


@pytest.mark.parametrize("micro", [1, 2, 8])
def test_parts_of_a_batch_give_the_update_of_the_whole(folder: Path, micro: int) -> None:
    network, _ = load_model(folder)
    whole = TrainStep(NextTokenLoss(network), AdamWSettings())
    other, _ = load_model(folder)
    parted = PartedStep(NextTokenLoss(other), AdamWSettings(), micro_batch=micro)
    for number, batch in enumerate(batches(3)):
        expected, seen = whole(batch, RATE), in_parts(parted, batch, number)
        assert seen.loss == pytest.approx(expected.loss, rel=1e-6)
        assert seen.gradient_norm == pytest.approx(expected.gradient_norm, rel=1e-5)
        np.testing.assert_allclose(seen.extra, expected.extra, rtol=1e-5, atol=1e-6)
        if number == 0:
            # After one update the first moment is a tenth of the clipped gradient.
            for name, moment in whole.optimizer.moments().items():
                theirs = parted.optimizer.moments()[name].asnumpy()
                np.testing.assert_allclose(theirs, moment.asnumpy(), rtol=2e-4, atol=1e-7)


def test_a_skipped_batch_leaves_weights_and_moments_as_they_were(folder: Path) -> None:
    network, _ = load_model(folder)
    guard = spike_guard({**OFF, "factor": 1.5})
    step = PartedStep(NextTokenLoss(network), AdamWSettings(), micro_batch=4, guard=guard)
    calm = batches(4)
    for number in range(2):
        assert in_parts(step, calm[number], number).spike is None
    before = {**weights_of(network), **{n: m.asnumpy().copy() for n, m in step.optimizer.moments().items()}}
    table = network.model.embed_tokens.weight
    kept = table.asnumpy().copy()
    table.set_data(ms.Tensor(kept * 40))  # makes logits, and so the loss, far too large
    assert in_parts(step, calm[2], 2).spike is not None
    table.set_data(ms.Tensor(kept))
    after = {**weights_of(network), **{n: m.asnumpy() for n, m in step.optimizer.moments().items()}}
    assert all(np.array_equal(before[name], after[name]) for name in before)
    assert (step.updates, guard.skipped) == (2, [2])
    # What the spike left in the sums is gone: the next update is that of a step without it.
    assert in_parts(step, calm[3], 3).spike is None
    twin, _ = load_model(folder)
    calmly = PartedStep(NextTokenLoss(twin), AdamWSettings(), micro_batch=4)
    for number in (0, 1, 3):
        in_parts(calmly, calm[number], number)
    assert all(np.array_equal(weights_of(network)[name], values) for name, values in weights_of(twin).items())


def test_without_a_guard_a_loss_that_is_no_number_ends_it_with_sound_weights(folder: Path) -> None:
    network, _ = load_model(folder)
    step = PartedStep(NextTokenLoss(network), AdamWSettings(), micro_batch=4)
    tokens, weights = batches(1)[0]
    norm = network.model.norm.weight
    norm.set_data(ms.Tensor(np.full(norm.shape, np.inf, np.float32)))
    before = weights_of(network)
    with pytest.raises(NumericError, match="step 1: loss nan"):
        in_parts(step, (tokens, weights), 0)
    assert all(np.array_equal(before[name], values) for name, values in weights_of(network).items())


def test_recomputed_activations_change_no_number(folder: Path) -> None:
    options = {"optimizer": {}, "spike": OFF, "trainer": {"micro_batch": None, "recompute": False}}
    losses = []
    for recompute in (False, True):
        network, _ = load_model(folder)
        step = choose_step(
            NextTokenLoss(network), {**options, "trainer": {"micro_batch": None, "recompute": recompute}}
        )
        assert isinstance(step, TrainStep)
        losses.append([step(batch, RATE).loss for batch in batches(5)])
    assert losses[1] == pytest.approx(losses[0], rel=1e-6)


END = 7


def test_segments_end_with_their_end_mark() -> None:
    tokens = np.array([[1, END, 2, 3, END, END, 4, 5]], np.int32)
    assert segments_of(tokens, END).tolist() == [[0, 0, 1, 1, 1, 2, 3]]


def document(length: int, seed: int) -> list[int]:
    tokens = np.random.default_rng(seed).integers(10, 300, length).tolist()
    return [*tokens, END]


def test_a_document_in_a_packed_entry_has_the_loss_it_has_alone(folder: Path) -> None:
    network, _ = load_model(folder)
    documents = [document(length, seed) for seed, length in enumerate([7, 12, 3, 30])]
    entry = np.array([[token for tokens in documents for token in tokens]], np.int32)
    cell = DocumentLoss(network)
    begin = 0
    for tokens in documents:
        weights = np.zeros((1, entry.shape[1] - 1), np.float32)
        weights[0, begin : begin + len(tokens) - 1] = 1
        packed, _ = cell(ms.Tensor(entry), ms.Tensor(weights), ms.Tensor(segments_of(entry, END)))
        alone = np.array([tokens], np.int32)
        ones = np.ones((1, len(tokens) - 1), np.float32)
        expected, _ = NextTokenLoss(network)(ms.Tensor(alone), ms.Tensor(ones))
        assert float(packed.asnumpy()) == pytest.approx(float(expected.asnumpy()), abs=1e-5)
        begin += len(tokens)


@pytest.mark.parametrize(("attention", "reaches_back"), [("document", False), ("sequence", True)])
def test_gradients_stay_inside_a_document(folder: Path, attention: str, reaches_back: bool) -> None:
    """What stands in the first document changes the gradient of the second one's loss only where it is seen."""
    network, _ = load_model(folder)
    loss = choose_loss(network, attention, end_of_document=END)
    weights = [layer.self_attn.v_proj.weight for layer in network.model.layers]
    differentiate = ms.value_and_grad(loss.cell, None, weights, has_aux=True)
    second = document(10, 5)
    gradients = []
    for first in ([11, 12, 13, END], [301, 302, 303, END]):
        tokens, counted, *more = loss.inputs(np.array([[*first, *second]], np.int32))
        counted[0, : len(first)] = 0
        _, found = differentiate(*(ms.Tensor(array) for array in (tokens, counted, *more)))
        gradients.append([gradient.asnumpy() for gradient in found])
    same = [np.array_equal(one, other) for one, other in zip(*gradients, strict=True)]
    assert same == [not reaches_back] * len(weights)
