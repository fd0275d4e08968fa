import numpy as np
import pytest

from stages._worker.failures import UserError
from stages._worker.training.parted.parts import parts_of


@pytest.mark.parametrize(("ranks", "micro"), [(1, None), (1, 3), (2, None), (2, 2), (3, 1), (4, 3)])
def test_every_row_is_in_one_part_and_a_rank_takes_its_residue(ranks: int, micro: int | None) -> None:
    rows = np.arange(12)
    seen = []
    for rank in range(ranks):
        parts = parts_of(12, micro_batch=micro, rank=rank, ranks=ranks)
        taken = [rows[part] for part in parts]
        assert {len(part) for part in taken} == {micro or 12 // ranks}
        assert all((part % ranks == rank).all() for part in taken)
        seen += [*np.concatenate(taken)]
    assert sorted(seen) == list(rows)


def test_parts_of_unequal_size_are_refused() -> None:
    with pytest.raises(UserError, match="batch 12 does not divide by 5 processes"):
        parts_of(12, micro_batch=None, rank=0, ranks=5)
    with pytest.raises(UserError, match="micro_batch is 4: it has to divide the 6 rows"):
        parts_of(12, micro_batch=4, rank=0, ranks=2)
