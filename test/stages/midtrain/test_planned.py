"""Data of another tokenizer is refused before training, by size and by its end mark."""

from pathlib import Path

import pytest
from support.order import write_order
from support.tiny_model import TEXTS
from support.tiny_packed import tiny_packed

from stages._worker.data.packed import PackedData
from stages._worker.data.tokenizer import train_tokenizer
from stages._worker.failures import DataError
from stages._worker.training.schedule import Schedule
from stages.midtrain.order import Order
from stages.midtrain.planned import Planned


def test_a_tokenizer_that_does_not_fit_the_data_is_refused(tmp_path: Path) -> None:
    tokenizer = train_tokenizer(TEXTS * 20, size=300, folder=tmp_path / "model")
    folder = tiny_packed(tmp_path / "packed", vocabulary=300)
    write_order(tmp_path / "order", folder, batch=4, rates=[0.5, 1.0])
    packed = PackedData(folder)
    planned = Planned(
        folders=[folder],
        packed=packed,
        order=Order(tmp_path / "order", packed),
        schedule=Schedule(steps=2, warmup=2, decay=0, max=1.0, min=0.1),
    )
    planned.check_vocabulary(300)
    planned.check_tokenizer(tokenizer)
    with pytest.raises(DataError, match="tokenised for 300 entries, the model has 400"):
        planned.check_vocabulary(400)
    packed.facts["endOfDocument"] = tokenizer.end_of_turn
    with pytest.raises(DataError, match=f"end with token {tokenizer.end_of_turn}, the tokenizer"):
        planned.check_tokenizer(tokenizer)
