from pathlib import Path

import numpy as np

from stages.perplexity.spool import Spool


def test_documents_come_back_from_disk_in_order(tmp_path: Path) -> None:
    spool = Spool("legal", tmp_path)
    documents = [np.arange(n, dtype=np.int32) for n in (3, 0, 5, 2)]
    for n, (tokens, perplexity) in enumerate(zip(documents, (4.0, np.inf, None, 9.0), strict=True)):
        spool.add(f"文-{n}", tokens, perplexity)
    assert len(spool) == 4 and list(spool.names()) == ["文-0", "文-1", "文-2", "文-3"]
    assert spool.sizes.tolist() == [3, 0, 5, 2] and spool.predicted.tolist() == [False, False, True, False]
    spool.predict(np.array([7.5]))
    assert spool.perplexities.tolist() == [4.0, np.inf, 7.5, 9.0]
    chosen = [tokens.tolist() for tokens in spool.documents(np.array([True, True, False, True]))]
    assert chosen == [[0, 1, 2], [], [0, 1]]
    assert not list(tmp_path.iterdir())  # the files have no name: nothing is left behind


def test_an_empty_spool_has_nothing(tmp_path: Path) -> None:
    spool = Spool("legal", tmp_path)
    assert not len(spool) and not list(spool.names()) and not list(spool.documents(spool.predicted))
    assert spool.perplexities.shape == (0,)
