"""Questions real people asked: the third route words its questions like those nearest to a document."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from stages._worker.failures import DataError
from stages._worker.locate import SourceFile, locate


class RealQueries:
    """Queries of a file (a text with one a line, or JSON Lines with `question` or `query`), found by BM25."""

    def __init__(self, queries: list[str]) -> None:
        # A second to import, which the early look does not wait for.
        import bm25s
        import jieba

        self._words = jieba.lcut
        self._queries = queries
        self._index = bm25s.BM25()
        self._index.index([self._words(query) for query in queries], show_progress=False)

    def nearest(self, text: str, count: int) -> list[str]:
        """The queries most like a text, best first."""
        found, _ = self._index.retrieve(
            [self._words(text)], k=min(count, len(self._queries)), show_progress=False
        )
        return [self._queries[int(index)] for index in found[0]]


def load_queries(task: str, address: str) -> RealQueries:
    """The queries at an address; DataError when a line is no query or there is none."""
    queries = [query for file in locate_queries(task, address) for query in read_queries(file)]
    if not queries:
        raise DataError(f"queries of {task}: {address} has none")
    return RealQueries(queries)


def queries_of(config: dict[str, Any]) -> dict[str, RealQueries]:
    """The real queries of every task that names some."""
    return {task: load_queries(task, address) for task, address in addresses_of(config).items()}


def addresses_of(config: dict[str, Any]) -> dict[str, str]:
    """Where the real queries of a task lie, for every task that names some."""
    found = {}
    for name, task in config["tasks"].items():
        addresses = [route["queries"] for route in task["routes"].values() if "queries" in route]
        if addresses:
            found[name] = addresses[0]
    return found


def locate_queries(task: str, address: str) -> list[SourceFile]:
    """The files at an address; DataError when there are none."""
    return locate(f"queries of {task}", address)


def read_queries(file: SourceFile) -> Iterator[str]:
    """The queries of a file, one a line; DataError for a line that is none."""
    with file.path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            if line.strip():
                yield _query(file.name, number, line)


def _query(file: str, number: int, line: str) -> str:
    if not line.lstrip().startswith("{"):
        return line.strip()
    try:
        row = json.loads(line)
        return str(row["question"] if "question" in row else row["query"]).strip()
    except (ValueError, KeyError) as error:
        raise DataError(f"{file}:{number}: expected an object with question or query ({error})") from error
