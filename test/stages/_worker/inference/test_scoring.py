import mindspore as ms
import numpy as np
import pytest

from stages._worker.inference.bootstrap import ratio_interval
from stages._worker.inference.scoring import Scorer
from stages._worker.model import device
from stages._worker.model.config import Qwen3Config
from stages._worker.model.qwen3 import Qwen3ForCausalLM
from stages._worker.model.weights import initialise


@pytest.fixture(scope="module")
def network() -> Qwen3ForCausalLM:
    device.set_up()
    config = Qwen3Config(
        vocab_size=64,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=1,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=8,
        max_position_embeddings=32,
    )
    network = Qwen3ForCausalLM(config)
    initialise(network, seed=1, linear_std=0.3, embedding_std=0.5)
    return network


def test_each_document_scores_as_if_it_were_alone(network: Qwen3ForCausalLM) -> None:
    stream = np.random.default_rng(0)
    documents = [stream.integers(1, 64, size).tolist() for size in (3, 16, 1, 9, 20, 16, 0)]
    seen = []
    scorer = Scorer(network, batch=2, lengths=(16, 8), end_of_text=0)
    scores = scorer.score(documents, lambda done, of: seen.append((done, of)))
    assert scores.tokens.tolist() == [3, 16, 1, 9, 16, 16, 0]
    for document, nll in zip(documents, scores.nll, strict=True):
        assert nll == pytest.approx(nll_of(network, document[:16]), abs=1e-3)
    assert seen[-1] == (7, 7)
    assert scores.perplexity()[0] == pytest.approx(np.exp(scores.nll[0] / 3))
    assert scores.perplexity()[6] == np.inf


def nll_of(network: Qwen3ForCausalLM, document: list[int]) -> float:
    row = np.zeros((1, 17), np.int32)
    row[0, 1 : len(document) + 1] = document
    logits = network(ms.Tensor(row)).asnumpy()[0].astype(np.float64)
    log_p = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    return -sum(log_p[i, token] for i, token in enumerate(document))


def test_the_interval_holds_the_mean_and_narrows_with_more_documents() -> None:
    stream = np.random.default_rng(1)
    counts = stream.integers(1, 50, 400).astype(float)
    sums = counts * stream.normal(3.0, 0.5, 400)
    few = ratio_interval(sums[:40], counts[:40], seed=0)
    many = ratio_interval(sums, counts, seed=0)
    assert few.low < few.value < few.high and many.value == pytest.approx(sums.sum() / counts.sum())
    assert many.high - many.low < 0.6 * (few.high - few.low)
    assert ratio_interval(sums, counts, seed=0) == many
