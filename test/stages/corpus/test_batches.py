"""Rows in batches: whoever reads the same files gets the same ones."""

from __future__ import annotations

from pathlib import Path

from support.made_up_corpus import corpus, source, texts, write

from stages._worker.locate import SourceFile
from stages.corpus.config import complete_corpus
from stages.corpus.reading.batches import START, place_after, read_batches


def test_batches_hold_every_row_once_and_say_where_they_lie(tmp_path: Path) -> None:
    long = ["法" * 400_000] * 7
    paths = [write(tmp_path / f"{name}.jsonl", each) for name, each in (("a", texts(1, 1100)), ("b", long))]
    (tmp_path / "c.jsonl").write_text("", encoding="utf-8")
    paths.append(tmp_path / "c.jsonl")
    sources = complete_corpus(corpus(*(source(path.stem, path) for path in paths)))["sources"]
    files = [[SourceFile(path=path, name=path.name)] for path in paths]
    batches = list(read_batches(sources, files))
    assert [len(batch.rows) for batch in batches] == [512, 512, 76, 3, 3, 1, 0]
    assert [batch.last for batch in batches] == [False, False, True, False, False, True, True]
    place = START
    for batch in batches:
        assert batch.place == place
        assert [row.line for row in batch.rows] == [place[1] + n for n in range(1, len(batch.rows) + 1)]
        place = place_after(place, len(batch.rows), last=batch.last)
    assert place == (3, 0)
