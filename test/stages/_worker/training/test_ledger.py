import hashlib

import numpy as np

from stages._worker.training.ledger import GENESIS, extend


def test_chains_the_row_ids_of_every_step() -> None:
    # The same bytes stand in test/recipe/ledger.test.ts.
    first = hashlib.sha256(bytes(32) + bytes.fromhex("0100000002000000")).digest()
    assert extend(GENESIS, np.array([1, 2])) == first
    assert extend(extend(GENESIS, np.array([1])), np.array([2])) != first
