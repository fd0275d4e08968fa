import json
from pathlib import Path

import numpy as np
import pytest
from support.order import write_order

from stages._worker.data.packed import PackedData
from stages._worker.failures import DataError
from stages._worker.training.schedule import Schedule
from stages.midtrain.order import Order
from stages.perplexity.cells import Cell, write_packed

SCHEDULE = Schedule(steps=5, warmup=2, decay=2, max=1.0, min=0.5)
RATES = [0.5, 1.0, 1.0, 0.75, 0.5]


@pytest.fixture
def packed(tmp_path: Path) -> Path:
    folder = tmp_path / "packed"
    folder.mkdir()
    cells = [
        Cell(group="general", band="low", documents=[[1] * 30]),
        Cell(group="legal", band="high", documents=[[2] * 50]),
    ]
    write_packed(
        folder,
        cells,
        length=4,
        max_documents=8,
        end_of_document=0,
        vocabulary=8,
        thresholds={},
        dropped={},
    )
    return folder


def test_rows_of_a_step(tmp_path: Path, packed: Path) -> None:
    digest = write_order(tmp_path / "order", packed, batch=3, rates=RATES)
    order = Order(tmp_path / "order", PackedData(packed))
    assert (order.steps, order.batch, order.sha256) == (5, 3, digest)
    whole = np.fromfile(tmp_path / "order" / "order.rows.bin", "<u4")
    assert np.array_equal(np.concatenate([order.rows(step) for step in range(5)]), whole)


def swap_rows(folder: Path) -> None:
    rows = np.fromfile(folder / "order.rows.bin", "<u4")
    rows[[0, 1]] = rows[[1, 0]]
    rows.tofile(folder / "order.rows.bin")


def edit(**changes: object):
    def harm(folder: Path) -> None:
        facts = json.loads((folder / "order.json").read_text())
        (folder / "order.json").write_text(json.dumps(facts | changes))

    return harm


@pytest.mark.parametrize(
    ("harm", "says"),
    [
        (swap_rows, "not the order"),
        (lambda f: np.full(15, 99, "<u4").tofile(f / "order.rows.bin"), "names row 99"),
        (lambda f: np.zeros(14, "<u4").tofile(f / "order.rows.bin"), "saw 14 rows"),
        (edit(cells=[]), "made for the cells"),
        (edit(perStep={"lr": [1.0]}), "1 rates"),
        (lambda f: (f / "order.json").unlink(), "no order can be read"),
    ],
)
def test_an_order_that_does_not_fit_is_refused(tmp_path: Path, packed: Path, harm, says: str) -> None:
    write_order(tmp_path / "order", packed, batch=3, rates=RATES)
    harm(tmp_path / "order")
    with pytest.raises(DataError, match=says):
        Order(tmp_path / "order", PackedData(packed))


def test_the_schedule_has_to_be_the_one_of_the_order(tmp_path: Path, packed: Path) -> None:
    write_order(tmp_path / "order", packed, batch=3, rates=RATES)
    order = Order(tmp_path / "order", PackedData(packed))
    order.check_schedule(SCHEDULE)
    with pytest.raises(DataError, match=r"rate 0\.75 at step 3, the schedule says 0\.8"):
        order.check_schedule(Schedule(steps=5, warmup=2, decay=2, max=1.0, min=0.6))
