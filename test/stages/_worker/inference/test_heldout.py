import math
from pathlib import Path

import numpy as np
import pytest
from support.tiny_corpus import tiny_corpus
from support.tiny_model import tiny_model_folder

from stages._worker.failures import DataError
from stages._worker.inference.heldout import HeldOut, interval_metrics, training_metrics
from stages._worker.model import device
from stages._worker.model.folder import load_model


def test_perplexity_of_each_group_is_that_of_its_documents(tmp_path: Path) -> None:
    device.set_up()
    network, tokenizer = load_model(tiny_model_folder(tmp_path / "model"))
    corpus = tiny_corpus(tmp_path / "corpus", documents=60)
    heldout = HeldOut(network, tokenizer, corpus, {"documents": 8, "tokens": 24, "batch": 5})
    found = heldout.measure()
    assert found == heldout.measure()
    groups = [found["general_ppl"], found["legal_ppl"]]
    assert all(group.low < group.value < group.high for group in groups)
    losses = [math.log(group.value) for group in groups]
    assert min(losses) < found["loss"].value < max(losses)
    assert np.exp(found["loss"].value) == pytest.approx(len(tokenizer), rel=0.3)

    metrics = training_metrics(found["loss"], found["loss"], found)
    assert metrics["legal_ppl_lo"] == found["legal_ppl"].low
    assert set(metrics) == {
        name + end
        for name in ("heldout_loss_before", "heldout_loss_after", "legal_ppl", "general_ppl")
        for end in ("", "_lo", "_hi")
    }
    assert interval_metrics("x", found["loss"])["x_hi"] == found["loss"].high

    (corpus / "documents" / "heldout" / "legal.jsonl").unlink()
    with pytest.raises(DataError, match="expected legal and general"):
        HeldOut(network, tokenizer, corpus, {"documents": 8, "tokens": 24, "batch": 5})
