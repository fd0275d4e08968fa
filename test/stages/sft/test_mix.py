"""The declared mix."""

from collections import Counter
from itertools import islice

import pytest

from stages._worker.failures import DataError, UserError
from stages.sft.mix import draw, parts_of

SAMPLES = (
    [{"id": f"m{n}", "task": "recite", "pool": "memorisation"} for n in range(4)]
    + [{"id": f"r{n}", "task": "recite", "pool": None} for n in range(10)]
    + [{"id": f"g{n}", "task": "general", "pool": None, "source": "general"} for n in range(5)]
)
MIX = [
    {"pool": "memorisation", "share": 20},
    {"task": "recite", "share": 40},
    {"source": "general", "share": 40},
]
ONES = [1] * len(SAMPLES)


def first(count: int, seed: int = 1, weights: list[int] = ONES):
    return [(part.name, index) for part, index in islice(draw(parts_of(MIX, SAMPLES), seed, weights), count)]


def test_a_sample_belongs_to_the_first_entry_that_selects_it() -> None:
    assert [len(part.samples) for part in parts_of(MIX, SAMPLES)] == [4, 10, 5]


def test_shares_hold_within_one_sample_at_every_point() -> None:
    drawn = first(200)
    for stop in range(1, 201):
        counts = Counter(name for name, _ in drawn[:stop])
        for name, share in (("pool:memorisation", 0.2), ("task:recite", 0.4), ("source:general", 0.4)):
            assert abs(counts[name] - share * stop) <= 1


def test_no_sample_comes_twice_before_all_came_once() -> None:
    pool = [index for name, index in first(100) if name == "pool:memorisation"]
    for start in range(0, len(pool) - 3, 4):
        assert sorted(pool[start : start + 4]) == [0, 1, 2, 3]


def test_shares_of_tokens() -> None:
    weights = [10 if sample["pool"] else 1 for sample in SAMPLES]
    tokens: Counter[str] = Counter()
    for name, index in first(2000, weights=weights):
        tokens[name] += weights[index]
    total = sum(tokens.values())
    assert tokens["pool:memorisation"] / total == pytest.approx(0.2, abs=0.01)


def test_the_order_is_a_function_of_the_seed() -> None:
    assert first(50) == first(50)
    assert first(50) != first(50, seed=2)


def test_no_mix_takes_everything() -> None:
    [part] = parts_of([], SAMPLES)
    assert len(part.samples) == len(SAMPLES)


def test_a_part_without_samples_is_named() -> None:
    with pytest.raises(DataError, match="pool:choice"):
        parts_of([{"pool": "choice", "share": 1}], SAMPLES)


@pytest.mark.parametrize("entry", [{"share": 1}, {"pool": "a", "task": "b", "share": 1}])
def test_an_entry_needs_exactly_one_selector(entry: dict) -> None:
    with pytest.raises(UserError, match="exactly one"):
        parts_of([entry], SAMPLES)
