import json

import numpy as np
from support.jobs import CHECKOUT

from stages._worker.training.ledger import GENESIS, Beginning, begin_at, beginning_of, extend, fork

# test/recipe/ledger.test.ts reads the same file.
VECTORS = json.loads((CHECKOUT / "test/fixtures/worker/ledger.json").read_text(encoding="utf-8"))


def test_chains_the_row_ids_of_every_step() -> None:
    head = GENESIS
    for rows, expected in zip(VECTORS["steps"], VECTORS["heads"], strict=True):
        head = extend(head, np.array(rows, np.uint32))
        assert head.hex() == expected


def test_a_fork_begins_a_chain_with_the_head_it_leaves() -> None:
    given = VECTORS["fork"]
    left = bytes.fromhex(VECTORS["heads"][given["after"] - 1])
    assert fork(left).hex() == given["first"]
    chain = begin_at(Beginning(step=2, row=8, left=left))
    for rows, expected in zip(given["steps"], given["heads"], strict=True):
        chain.consume(np.array(rows, np.uint32))
        assert chain.head.hex() == expected
    assert chain.row == 12


def test_where_a_chain_begins_goes_through_the_checkpoint() -> None:
    begins = Beginning(step=2, row=8, left=fork(GENESIS))
    chain = begin_at(begins)
    chain.consume(np.array([5, 6]))
    assert beginning_of(json.loads(json.dumps(chain.as_json()))) == begins
    assert beginning_of(begin_at(None).as_json()) is None


def test_order_and_steps_are_part_of_the_head() -> None:
    one = extend(extend(GENESIS, np.array([1])), np.array([2]))
    assert len({one, extend(GENESIS, np.array([1, 2])), extend(GENESIS, np.array([2, 1]))}) == 3
