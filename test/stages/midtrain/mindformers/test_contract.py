"""One order, both trainers: the same tokens, labels, masks and rate at every step on every rank.

The native side is what stages/midtrain/train.py hands its step; MindFormers' side is our loader, cut as its data
pipeline cuts it: shard r of d takes every d-th entry from r on, unshuffled, in batches of a rank's share.
"""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from support.mindformers_rate import FP32, theirs
from support.order import write_order
from support.order_index import write_order_index
from support.tiny_packed import tiny_packed

from stages._worker.data.packed import PackedData
from stages._worker.failures import DataError
from stages._worker.model.config import Qwen3Config
from stages._worker.training.schedule import Schedule
from stages.midtrain.mindformers.layout import Layout, lay_out
from stages.midtrain.mindformers.ordered_entries import OrderedEntries
from stages.midtrain.mindformers.warm_up_stable_decay import warm_up_stable_decay
from stages.midtrain.order import Order

LENGTH, BATCH, END = 32, 16, 0
SCHEDULE = Schedule(steps=6, warmup=2, decay=3, max=1e-3, min=1e-5)
RATES = [SCHEDULE.learning_rate(step) for step in range(SCHEDULE.steps)]
MODEL = Qwen3Config(
    vocab_size=64,
    hidden_size=64,
    intermediate_size=128,
    num_hidden_layers=4,
    num_attention_heads=8,
    num_key_value_heads=4,
    head_dim=8,
    max_position_embeddings=64,
)
LAYOUTS = [
    {"tensor": 1, "pipeline": 1, "context": 1, "micro_batches": 2},
    {"tensor": 2, "pipeline": 2, "context": 1, "micro_batches": 2},
    {"tensor": 2, "pipeline": 1, "context": 2, "micro_batches": 1},
    {"tensor": 4, "pipeline": 2, "context": 1, "micro_batches": 4},
]


@pytest.fixture(params=[1, 2], ids=["one-folder", "two-folders"])
def packed(tmp_path: Path, request: pytest.FixtureRequest) -> list[Path]:
    return [
        tiny_packed(tmp_path / f"packed-{n}", vocabulary=64, length=LENGTH, sequences=12 + 5 * n)
        for n in range(request.param)
    ]


def planned(folder: Path, packed: list[Path]) -> tuple[PackedData, Order]:
    write_order(folder / "order", *packed, batch=BATCH, rates=RATES)
    write_order_index(folder / "order", *packed)
    data = PackedData(*packed)
    return data, Order(folder / "order", data)


def entries(
    folder: Path, packed: list[Path], *, boundaries: bool = False, limit: int = 128
) -> OrderedEntries:
    return OrderedEntries(
        folder / "order" / "order.idx",
        [part / "data.bin" for part in packed],
        sequence_length=LENGTH,
        end_of_document=END,
        boundaries=boundaries,
        limit=limit,
    )


def rank_batches(source: OrderedEntries, layout: Layout, rank: int) -> list[list[np.ndarray]]:
    share = layout.sequences * layout.micro_batches
    mine = [source[number] for number in range(layout.data_rank(rank), len(source), layout.data)]
    return [
        [np.stack(column) for column in zip(*mine[at : at + share], strict=True)]
        for at in range(0, len(mine), share)
    ]


@pytest.mark.parametrize("parallel", LAYOUTS)
def test_every_rank_sees_its_rows_of_every_step(tmp_path: Path, packed: list[Path], parallel: dict) -> None:
    data, order = planned(tmp_path, packed)
    source = entries(tmp_path, packed)
    layout = lay_out(
        MODEL, parallel | {"recompute": True}, {"nodes": 1, "npus": 8}, batch=BATCH, sequence_length=LENGTH
    )
    config = warm_up_stable_decay(SCHEDULE)
    for rank in range(layout.world):
        batches = rank_batches(source, layout, rank)
        assert len(batches) == order.steps
        for step, (tokens, labels, mask, positions) in enumerate(batches):
            native = data.rows(order.rows(step))[layout.data_rank(rank) :: layout.data]
            weights = np.ones((BATCH, LENGTH), np.float32)[layout.data_rank(rank) :: layout.data]
            assert np.array_equal(tokens, native[:, :-1])
            assert np.array_equal(labels, native[:, 1:])
            assert np.array_equal(mask, weights)
            assert np.array_equal(positions, np.broadcast_to(np.arange(LENGTH), tokens.shape))
            assert theirs(config, step) == pytest.approx(RATES[step], rel=0, abs=FP32 * SCHEDULE.max)


def test_mindspore_cuts_shards_as_the_contract_says(tmp_path: Path, packed: list[Path]) -> None:
    from mindspore.dataset import GeneratorDataset

    planned(tmp_path, packed)
    source = entries(tmp_path, packed)
    for shard in range(4):
        cut = GeneratorDataset(source, list(source.columns), shuffle=False, num_shards=4, shard_id=shard)
        rows = [row["input_ids"] for row in cut.create_dict_iterator(num_epochs=1, output_numpy=True)]
        assert np.array_equal(rows, [source[number][0] for number in range(shard, len(source), 4)])


def test_the_ranks_of_a_step_are_its_whole_batch(tmp_path: Path, packed: list[Path]) -> None:
    data, order = planned(tmp_path, packed)
    source = entries(tmp_path, packed)
    for step in range(order.steps):
        seen = np.stack([source[step * BATCH + place][0] for place in range(BATCH)])
        assert np.array_equal(seen, data.rows(order.rows(step))[:, :-1])


def test_boundaries_are_where_documents_end(tmp_path: Path, packed: list[Path]) -> None:
    planned(tmp_path, packed)
    source = entries(tmp_path, packed, boundaries=True)
    found = 0
    for number in range(len(source)):
        tokens, *_, lengths = source[number]
        edges = [0, *[int(edge) for edge in lengths if edge < LENGTH], LENGTH]
        assert edges == sorted(set(edges)) and lengths[-1] == LENGTH
        for begin, end in pairwise(edges):
            assert not (tokens[begin : end - 1] == END).any(), (
                "a document holds no end mark but its last token"
            )
            found += 1
        assert all(tokens[edge - 1] == END for edge in edges[1:-1])
    assert found > len(source)


def test_more_documents_than_the_column_holds_are_refused(tmp_path: Path, packed: list[Path]) -> None:
    planned(tmp_path, packed)
    source = entries(tmp_path, packed, boundaries=True, limit=0)
    with pytest.raises(DataError, match="has room for 0"):
        for number in range(len(source)):
            source[number]


def test_an_index_over_other_data_is_refused(tmp_path: Path, packed: list[Path]) -> None:
    planned(tmp_path, packed)
    last = packed[-1] / "data.bin"
    data = last.read_bytes()
    last.write_bytes(data[: len(data) // 2 // 4 * 4])
    with pytest.raises(DataError, match="entries end at byte"):
        entries(tmp_path, packed)


def test_entries_of_another_length_are_refused(tmp_path: Path, packed: list[Path]) -> None:
    planned(tmp_path, packed)
    with pytest.raises(DataError, match="every entry must have 17 tokens"):
        OrderedEntries(
            tmp_path / "order" / "order.idx",
            [part / "data.bin" for part in packed],
            sequence_length=16,
            end_of_document=END,
            boundaries=False,
        )
