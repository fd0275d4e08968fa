import dataclasses

import pytest

from stages._worker.failures import UserError
from stages._worker.locations import CHECKOUT
from stages._worker.model.config import Qwen3Config, config_from
from stages._worker.yaml_file import read_yaml
from stages.midtrain.mindformers.layout import Layout, lay_out

PARALLEL = {"tensor": 8, "pipeline": 2, "context": 1, "micro_batches": 4, "recompute": True}


def model(size: str) -> Qwen3Config:
    return config_from(read_yaml(CHECKOUT / "configs" / "models" / f"qwen3-{size}.yaml"))


def layout(
    *,
    size: str = "8b",
    nodes: int = 16,
    npus: int = 8,
    batch: int = 1024,
    length: int = 8192,
    shape: dict[str, int] | None = None,
    **parallel: int,
) -> Layout:
    config = dataclasses.replace(model(size), **(shape or {}))
    return lay_out(
        config, PARALLEL | parallel, {"nodes": nodes, "npus": npus}, batch=batch, sequence_length=length
    )


@pytest.mark.parametrize("size", ["1.7b", "4b", "8b"])
def test_the_parts_multiply_to_the_whole(size: str) -> None:
    found = layout(size=size)
    assert found.data * found.tensor * found.pipeline * found.context == found.world == 128
    assert found.data * found.micro_batches * found.sequences == found.global_batch == 1024
    assert (found.data, found.sequences) == (8, 32)


def test_every_data_shard_is_read_by_the_same_number_of_ranks() -> None:
    found = layout(context=2, shape={})
    shards = [found.data_rank(rank) for rank in range(found.world)]
    assert {shards.count(shard) for shard in shards} == {found.tensor * found.context * found.pipeline}
    assert shards[:16] == [0] * 16 and shards[16] == 1
    assert shards[:64] == shards[64:], "both pipeline stages read the same shards"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"npus": 0}, "set resources.npus"),
        ({"nodes": 1, "pipeline": 4}, "are 8, no multiple of tensor 8 x pipeline 4 x context 1 = 32"),
        (
            {"batch": 1000},
            "batch 1000 is no multiple of 8 data-parallel ranks x 4 micro-batches = 32.*992 or 1024",
        ),
        ({"batch": 8}, "set with.batch to 32"),
        ({"pipeline": 8}, "parallel.micro_batches 4 is below parallel.pipeline 8.*at least 8"),
        (
            {"pipeline": 5},
            r"num_hidden_layers 36 is no multiple of parallel.pipeline 5.*\[1, 2, 3, 4, 6, 9, 12\]",
        ),
        ({"tensor": 16}, "does not divide the 8 NPUs"),
        (
            {"shape": {"num_attention_heads": 12, "num_key_value_heads": 4}},
            "num_attention_heads 12 is no multiple",
        ),
        ({"shape": {"num_key_value_heads": 4}}, r"num_key_value_heads 4 .*one of \[1, 2, 4\]"),
        ({"shape": {"vocab_size": 151937}}, "vocab_size 151937"),
        ({"length": 8190}, "cannot be cut into context 1 x tensor 8"),
        ({"length": 65536}, "longer than max_position_embeddings 32768"),
    ],
)
def test_what_does_not_fit_is_refused_with_place_and_fix(change: dict, says: str) -> None:
    with pytest.raises(UserError, match=says):
        layout(**change)


def test_all_problems_are_said_at_once() -> None:
    with pytest.raises(UserError) as caught:
        layout(pipeline=5, batch=1001, length=8191)
    assert all(
        word in str(caught.value)
        for word in ("num_hidden_layers", "micro_batches", "cannot be cut", "resources")
    )
