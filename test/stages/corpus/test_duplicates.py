"""What is remembered of documents: in files, in bounded memory, and the same however it is batched."""

from __future__ import annotations

import random
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.look_up import LookUp

from stages.corpus.seen.growing import GrowingNames, GrowingRows
from stages.corpus.seen.signatures import Signatures, shingles
from stages.corpus.seen.sorted_runs import SortedRuns


def words(seed: int, count: int) -> str:
    pick = random.Random(seed)
    return "".join(
        pick.choice("天地玄黄宇宙洪荒日月盈昃辰宿列张寒来暑往秋收冬藏闰余成岁律吕") for _ in range(count)
    )


def documents(count: int) -> list[tuple[str, str]]:
    """Texts, a third of them with copies that are exact, near, or under a name seen before."""
    found = []
    for seed in range(count):
        text = words(seed, 200)
        found.append((f"d{seed}", text))
        if seed % 3 == 0:
            found += [(f"e{seed}", text + "。"), (f"n{seed}", text[:90] + "新" + text[91:])]
        if seed % 5 == 0:
            found.append((f"d{max(0, seed - 40)}", words(10_000 + seed, 200)))
    return found


def test_batches_of_any_size_give_the_same_verdicts(tmp_path: Path) -> None:
    given_documents = documents(120)
    seen = []
    for size in (1, 7, len(given_documents)):
        found = LookUp(tmp_path / str(size))
        verdicts = []
        for start in range(0, len(given_documents), size):
            verdicts += found.find_all(given_documents[start : start + size])
        found.close()
        seen.append(verdicts)
    assert seen[0] == seen[1] == seen[2]
    by_name: dict[str, list] = {}
    for (name, _), verdict in zip(given_documents, seen[0], strict=True):
        by_name.setdefault(name, []).append(verdict)
    assert by_name["d3"] == [None]
    assert by_name["e3"] == [("exact_duplicate", "d3")]
    assert by_name["n3"] == [("near_duplicate", "d3")]
    assert by_name["d0"] == [None, *[("repeated_id", "d0")] * 9]


def test_the_first_of_several_alike_is_named(tmp_path: Path) -> None:
    found = LookUp(tmp_path)
    text = words(1, 300)
    halves = text[:150] + words(2, 150)
    assert found.find_all([("z", text), ("a", halves), ("q", text[:299])]) == [
        None,
        None,
        ("near_duplicate", "z"),
    ]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(st.integers(0, 40), max_size=30), max_size=12), st.integers(1, 64))
def test_runs_find_what_was_put_in(
    tmp_path_factory: pytest.TempPathFactory, blocks: list, limit: int
) -> None:
    runs = SortedRuns(tmp_path_factory.mktemp("runs"), "x", in_memory=limit)
    pairs = []
    for block in blocks:
        numbers = np.arange(len(pairs), len(pairs) + len(block), dtype=np.uint64)
        runs.add(np.array(block, dtype=np.uint32), numbers)
        pairs += zip(block, numbers.tolist(), strict=True)
    asked = np.array([40, 3, 3, 0, 17, 41, 2**32 - 1], dtype=np.uint32)
    places, numbers = runs.find(asked)
    assert sorted(zip(places.tolist(), numbers.tolist(), strict=True)) == sorted(
        (place, number) for place, key in enumerate(asked.tolist()) for known, number in pairs if known == key
    )


def test_long_runs_are_files_and_old_ones_go(tmp_path: Path) -> None:
    runs = SortedRuns(tmp_path, "x", in_memory=1000)
    chance = np.random.default_rng(1)
    keys = chance.integers(0, 1 << 32, 1_300_000, dtype=np.uint32)
    for start in range(0, len(keys), 65_000):
        block = keys[start : start + 65_000]
        runs.add(block, np.arange(start, start + len(block)))
    asked = keys[::1301]
    places, numbers = runs.find(asked)
    assert set(zip(places.tolist(), numbers.tolist(), strict=True)) >= {
        (place, place * 1301) for place in range(len(asked))
    }
    assert len(numbers) < len(asked) + 20
    files = list(tmp_path.glob("*.run"))
    assert len(files) <= 6
    assert sum(file.stat().st_size for file in files) <= 8 * len(keys)


def test_rows_and_names_come_back(tmp_path: Path) -> None:
    rows = GrowingRows(tmp_path / "rows", np.uint8, 3)
    names = GrowingNames(tmp_path)
    for start in (0, 4, 8):
        rows.append(np.arange(start * 3, start * 3 + 12).reshape(4, 3))
        names.append([f"名{number}" for number in range(start, start + 4)])
        assert rows.at(np.array([start, 0])).tolist() == [
            [start * 3, start * 3 + 1, start * 3 + 2],
            [0, 1, 2],
        ]
        assert [names.at(number) for number in (0, start + 3)] == ["名0", f"名{start + 3}"]
    assert rows.at(np.array([], dtype=np.int64)).shape == (0, 3)


@pytest.mark.parametrize("permutations", [64, 128])
def test_signatures_estimate_the_share_of_shingles(permutations: int) -> None:
    signer = Signatures(ngram=5, permutations=permutations, seed=1)
    errors = []
    for seed in range(150):
        text = words(seed, 2500 if seed % 10 == 0 else 300)
        cut = (seed % 9 + 1) * len(text) // 40
        other = words(7000 + seed, cut) + text[cut:]
        mine, others = set(shingles(text, 5).tolist()), set(shingles(other, 5).tolist())
        share = len(mine & others) / len(mine | others)
        estimate = (signer.of(text) == signer.of(other)).mean()
        errors.append((estimate - share) / (share * (1 - share) / permutations) ** 0.5)
    # Of a MinHash with independent permutations these have mean 0 and deviation 1.
    assert abs(np.mean(errors)) < 4 / len(errors) ** 0.5
    assert 0.8 < np.std(errors) < 1.25


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_does_not_grow_with_the_documents(tmp_path: Path) -> None:
    found = LookUp(tmp_path)
    chance = np.random.default_rng(3)

    def feed(first: int, count: int) -> None:
        for start in range(first, first + count, 500):
            block = chance.integers(0x4E00, 0x9E00, (500, 30), dtype=np.uint32)
            found.find_all(
                [(f"s/{start + n}", row.tobytes().decode("utf-32-le")) for n, row in enumerate(block)]
            )

    feed(0, 5000)
    before = anonymous_bytes()
    feed(5000, 15000)
    grown = anonymous_bytes() - before
    found.close()
    # Everything that is remembered of 15,000 documents is 3 MB; a Python string and a MinHash of each would be 20 MB.
    assert grown < 8e6


def anonymous_bytes() -> int:
    """Memory of this process that no file holds."""
    status = Path("/proc/self/status").read_text()
    return 1024 * next(int(line.split()[1]) for line in status.splitlines() if line.startswith("RssAnon"))
