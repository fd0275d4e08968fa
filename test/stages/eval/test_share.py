"""Which shard scores which task of which model."""

from stages.eval.share import share_of

UNITS = [
    ([(model, task)], items) for model in ("base", "rl") for task, items in (("a", 90), ("b", 5), ("c", 40))
]


def test_every_unit_is_scored_in_exactly_one_shard() -> None:
    for shards in range(1, 9):
        shares = [share_of(UNITS, shard, shards) for shard in range(shards)]
        assert sorted(unit for share in shares for unit in share) == sorted(unit for [unit], _ in UNITS)


def test_the_largest_are_apart_and_more_shards_than_units_stay_empty() -> None:
    weights = {unit: weight for [unit], weight in UNITS}
    loads = [sum(weights[unit] for unit in share_of(UNITS, shard, 2)) for shard in range(2)]
    assert loads == [135, 135]
    assert [len(share_of(UNITS, shard, 8)) for shard in range(8)] == [1] * 6 + [0] * 2


def test_what_is_measured_together_is_in_one_shard() -> None:
    parts = [([("base", task), ("rl", task)], 20) for task in "abc"] + [([("sft", "a")], 30)]
    for shards in range(1, 6):
        for share in (share_of(parts, shard, shards) for shard in range(shards)):
            assert {task for model, task in share if model == "base"} == {
                task for model, task in share if model == "rl"
            }
