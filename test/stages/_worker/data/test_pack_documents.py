import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from stages._worker.data.packing import PackingCounts, pack_documents

END = 0
documents = st.lists(st.lists(st.integers(1, 99), max_size=40), max_size=60)


def pack(texts: list[list[int]], length: int, most: int) -> tuple[list[np.ndarray], PackingCounts]:
    counts = PackingCounts()
    entries = list(
        pack_documents(texts, length=length, end_of_document=END, max_documents=most, counts=counts)
    )
    return entries, counts


@given(documents, st.integers(2, 33))
def test_without_a_limit_nothing_is_lost_or_doubled_but_the_tail(texts: list[list[int]], length: int) -> None:
    entries, counts = pack(texts, length, most=10_000)
    stream = [token for text in texts for token in [*text, END]]
    packed = [int(token) for entry in entries for token in entry]
    assert packed == stream[: len(packed)]
    assert len(stream) - len(packed) == counts.tail < length
    assert all(entry.shape == (length,) and entry.dtype == np.int32 for entry in entries)


@given(documents, st.integers(2, 33), st.integers(1, 5))
def test_every_token_is_accounted_for_and_no_entry_is_crowded(
    texts: list[list[int]], length: int, most: int
) -> None:
    entries, counts = pack(texts, length, most)
    assert counts.tokens == sum(len(text) + 1 for text in texts)
    assert counts.tokens == counts.packed + counts.tail + counts.crowded
    assert counts.packed == len(entries) * length == counts.entries * length
    assert all((entry == END).sum() <= most for entry in entries)


@given(st.lists(st.integers(0, 40), max_size=60), st.integers(2, 33), st.integers(1, 5))
def test_the_span_of_an_entry_is_that_of_its_tokens(sizes: list[int], length: int, most: int) -> None:
    texts = [[number + 1] * size for number, size in enumerate(sizes)]
    counts = PackingCounts()
    entries = pack_documents(texts, length=length, end_of_document=END, max_documents=most, counts=counts)
    for entry in entries:
        first, last = counts.span
        # Each document ends in one mark, so that the marks of an entry say how many it holds.
        named = {int(token) - 1 for token in entry if token != END}
        assert all(first <= number <= last for number in named)
        ends = int((entry == END).sum())
        assert last - first in (ends - 1, ends)


def test_documents_go_on_in_the_next_entry() -> None:
    entries, counts = pack([[1, 2, 3], [4, 5, 6, 7, 8]], 4, most=2)
    assert [entry.tolist() for entry in entries] == [[1, 2, 3, 0], [4, 5, 6, 7]]
    assert counts.tail == 2


def test_an_entry_is_given_up_rather_than_crowded() -> None:
    entries, counts = pack([[1], [2], [3], [4, 5, 6, 7, 8, 9]], 6, most=2)
    assert [entry.tolist() for entry in entries] == [[3, 0, 4, 5, 6, 7]]
    assert (counts.crowded, counts.tail) == (4, 3)
