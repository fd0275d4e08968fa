import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.base.mixture import plan_mixture


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 30), st.floats(0.05, 1)), min_size=1, max_size=3),
    st.integers(1, 200),
    st.integers(0, 5),
)
def test_shares_are_kept_and_passes_repeat_nothing(groups: list, places: int, seed: int) -> None:
    entries, shares = [n for n, _ in groups], [share for _, share in groups]
    mixture = plan_mixture(entries, shares, places=places, seed=seed)
    for group, (size, share) in enumerate(groups):
        taken = mixture.indices[mixture.groups == group]
        assert abs(len(taken) - places * share / sum(shares)) <= len(groups)
        for begin in range(0, len(taken), size):
            part = taken[begin : begin + size]
            assert len(set(part)) == len(part) and part.max(initial=0) < size
        assert mixture.passes[group] == len(taken) / size


def test_the_order_is_a_function_of_the_seed() -> None:
    plans = [plan_mixture([50, 20], [0.8, 0.2], places=300, seed=seed).sha256() for seed in (1, 1, 2)]
    assert plans[0] == plans[1] != plans[2]


def test_a_second_pass_is_another_permutation() -> None:
    indices = plan_mixture([40], [1.0], places=80, seed=0).indices
    assert not np.array_equal(indices[:40], indices[40:])
