from pathlib import Path

import numpy as np
import pytest

from stages._worker.failures import DataError
from stages.perplexity.bands import Thresholds
from stages.perplexity.ngrams import COLUMNS, ngram_rows
from stages.perplexity.prediction import is_measured, predict_rest
from stages.perplexity.predictor import fit
from stages.perplexity.spool import Spool

VOCABULARY = 200


def corpus(count: int, seed: int) -> tuple[list[np.ndarray], np.ndarray]:
    """Documents that mix common and rare tokens; perplexity follows the share of rare ones, with noise."""
    stream = np.random.default_rng(seed)
    rare = stream.uniform(0, 1, count)
    documents = []
    for share in rare:
        size = int(stream.integers(20, 80))
        hard = stream.random(size) < share
        tokens = np.where(hard, stream.integers(50, VOCABULARY, size), stream.integers(0, 10, size))
        documents.append(tokens.astype(np.int32))
    return documents, np.exp(1 + 3 * rare + stream.normal(0, 0.1, count))


def test_rows_count_tokens_and_pairs() -> None:
    rows = ngram_rows([np.array(x, np.int32) for x in ([5, 5, 5, 5], [], [7], [1, 2, 3])])
    assert rows.shape == (4, COLUMNS)
    assert np.diff(rows.indptr).tolist() == [2, 0, 1, 5]
    assert np.allclose(rows.power(2).sum(1).ravel(), [2, 0, 1, 2])
    assert (rows[0] != ngram_rows([np.array([5, 5], np.int32)])).nnz == 0


def test_what_can_be_learned_is_predicted_with_its_spread() -> None:
    documents, perplexities = corpus(900, 0)
    predictor = fit(documents[:600], perplexities[:600], vocabulary=VOCABULARY)
    found = np.log(predictor.predict(documents[600:]))
    true = np.log(perplexities[600:])
    assert np.corrcoef(found, true)[0, 1] > 0.9
    assert found.std() == pytest.approx(true.std(), rel=0.25)
    assert predictor.predict([np.zeros(0, np.int32)]).tolist() == [np.inf]


def spooled(folder: Path, count: int, share: float) -> tuple[Spool, np.ndarray]:
    spool = Spool("legal", folder)
    documents, perplexities = corpus(count, 1)
    for n, (tokens, perplexity) in enumerate(zip(documents, perplexities, strict=True)):
        spool.add(str(n), tokens, perplexity if is_measured(7, str(n), share) else None)
    return spool, perplexities


def test_the_rest_is_predicted_and_the_agreement_is_that_of_the_rest(tmp_path: Path) -> None:
    spool, perplexities = spooled(tmp_path, 3000, 0.4)
    low, middle, high = np.quantile(perplexities[~spool.predicted], (0.33, 0.66, 0.95))
    ends = Thresholds(low=low, middle=middle, high=high)
    facts = predict_rest({"legal": spool}, {"legal": ends}, tokens=60, vocabulary=VOCABULARY, seed=3)
    assert facts["measured"] + facts["predicted"] == 3000 and facts["predicted"] == spool.predicted.sum()
    assert np.isfinite(spool.perplexities).all()
    assert (spool.perplexities == perplexities).sum() == facts["measured"]
    rows = facts["confusion"]
    assert sum(sum(row.values()) for row in rows.values()) == facts["heldout"] == facts["measured"] // 5
    assert facts["same_band"] == pytest.approx(sum(rows[b][b] for b in rows) / facts["heldout"], abs=1e-6)
    # What the held-out part says holds for the documents that were predicted.
    rest = spool.predicted
    same = (ends.bands(spool.perplexities[rest]) == ends.bands(perplexities[rest])).mean()
    assert same == pytest.approx(facts["same_band"], abs=0.1) and facts["spearman"] > 0.9


def test_noise_is_said_to_be_noise(tmp_path: Path) -> None:
    stream = np.random.default_rng(4)
    spool = Spool("legal", tmp_path)
    for n in range(1000):
        tokens = stream.integers(0, VOCABULARY, 40).astype(np.int32)
        spool.add(str(n), tokens, float(np.exp(stream.normal())) if n % 2 else None)
    ends = Thresholds(low=0.6, middle=1.6, high=100)
    facts = predict_rest({"legal": spool}, {"legal": ends}, tokens=60, vocabulary=VOCABULARY, seed=3)
    assert abs(facts["spearman"]) < 0.4 and facts["same_band"] < 0.6


def test_too_few_measured_documents_are_refused(tmp_path: Path) -> None:
    spool, _ = spooled(tmp_path, 200, 0.2)
    ends = Thresholds(low=5, middle=15, high=30)
    with pytest.raises(DataError, match="too few to predict"):
        predict_rest({"legal": spool}, {"legal": ends}, tokens=60, vocabulary=VOCABULARY, seed=3)


def test_the_measured_share_is_a_function_of_seed_and_id() -> None:
    chosen = [is_measured(7, str(n), 0.3) for n in range(4000)]
    assert 0.27 < np.mean(chosen) < 0.33
    assert chosen == [is_measured(7, str(n), 0.3) for n in range(4000)]
    assert all(is_measured(7, str(n), 0.5) for n, one in enumerate(chosen) if one)
    assert all(is_measured(7, str(n), 1) for n in range(50))
