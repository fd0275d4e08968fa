"""Formats of sources. A reader yields rows and broken rows; it never ends a run over one bad line.

Arrow is imported by the formats that need it: the early look reads the first rows of every source in a second.
"""

from __future__ import annotations

import gzip
import io
import json
import sqlite3
import zlib
from collections.abc import Callable, Iterator
from typing import Any

from stages._worker.failures import DataError
from stages._worker.locate import SourceFile
from stages.corpus.reading.lawbench import read_lawbench
from stages.corpus.reading.paragraphs import read_paragraphs
from stages.corpus.reading.rows import BrokenRow, Row

Records = Iterator[Row | BrokenRow]


def read_source(source: dict[str, Any], files: list[SourceFile]) -> Records:
    """All records of a source, in the order of its files."""
    if source["format"] == "lawbench":
        yield from read_lawbench(files, lambda file: numbered_lines(file, source))
        return
    read = READERS[source["format"]]
    for file in files:
        yield from read(file, source)


def numbered_lines(file: SourceFile, source: dict[str, Any]) -> Iterator[tuple[int, str | BrokenRow]]:
    """Lines of a text file with their numbers, decoded strictly; a line in another encoding is a BrokenRow."""
    encoding = source["encoding"]
    number = 0
    try:
        with _open(file, source["format"]) as raw:
            for number, line in enumerate(raw, start=1):
                try:
                    yield number, line.decode(encoding).removeprefix("\ufeff").rstrip("\r\n")
                except UnicodeDecodeError as error:
                    seen = line[max(0, error.start - 20) : error.start + 20]
                    reason = f"not {encoding} (byte 0x{line[error.start]:02x} at {error.start})"
                    yield number, _broken(file, number, reason, seen.decode(encoding, "replace"))
    except (EOFError, zlib.error, OSError) as error:
        if not _is_packed(source["format"]):
            raise
        raise DataError(
            f"{file.name}:{number + 1}: the compressed file is broken or cut off ({error})"
        ) from error


def _is_packed(form: str) -> bool:
    # Both readers tell of a broken stream with an OSError.
    return form.endswith((".gz", ".zst"))


def _open(file: SourceFile, form: str) -> io.BufferedIOBase:
    if form.endswith(".gz"):
        return gzip.open(file.path, "rb")
    if form.endswith(".zst"):
        import pyarrow

        # Arrow's reader tells a cut-off stream from a whole one; the one of zstandard ends silently.
        return io.BufferedReader(pyarrow.input_stream(str(file.path), compression="zstd"), 1 << 20)
    return file.path.open("rb")


def _read_jsonl(file: SourceFile, source: dict[str, Any]) -> Records:
    for number, line in numbered_lines(file, source):
        if isinstance(line, BrokenRow):
            yield line
        elif line.strip():
            yield _parse(file, number, line)


def _parse(file: SourceFile, number: int, line: str) -> Row | BrokenRow:
    try:
        value = json.loads(line)
        if "\\ud" in line.lower():
            json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return _broken(file, number, "half of a surrogate pair, which is no character", line)
    except (ValueError, RecursionError) as error:
        return _broken(file, number, f"not JSON ({error})", line)
    if not isinstance(value, dict):
        return _broken(file, number, f"expected an object, saw {type(value).__name__}", line)
    return Row(values=value, file=file.name, line=number)


def _read_parquet(file: SourceFile, source: dict[str, Any]) -> Records:
    import pyarrow
    from pyarrow import parquet

    number = 0
    try:
        for batch in parquet.ParquetFile(file.path).iter_batches(batch_size=1024):
            for values in batch.to_pylist():
                number += 1
                yield Row(values=values, file=file.name, line=number)
    except (pyarrow.ArrowException, OSError) as error:
        raise DataError(
            f"{file.name}: no whole Parquet file, unreadable after row {number} ({error})"
        ) from error


def _read_sqlite(file: SourceFile, source: dict[str, Any]) -> Records:
    connection = sqlite3.connect(f"file:{file.path}?mode=ro&immutable=1", uri=True)
    connection.row_factory = sqlite3.Row
    try:
        for number, row in enumerate(connection.execute(source["query"]), start=1):
            yield Row(values=dict(row), file=file.name, line=number)
    except sqlite3.Error as error:
        raise DataError(f"{file.name}: the query of source {source['name']} failed ({error})") from error
    finally:
        connection.close()


def _read_text(file: SourceFile, source: dict[str, Any]) -> Records:
    return read_paragraphs(file, numbered_lines(file, source), source)


def _broken(file: SourceFile, number: int, reason: str, seen: str) -> BrokenRow:
    return BrokenRow(file=file.name, line=number, reason=reason, excerpt=seen[:120])


READERS: dict[str, Callable[[SourceFile, dict[str, Any]], Records]] = {
    "jsonl": _read_jsonl,
    "jsonl.gz": _read_jsonl,
    "jsonl.zst": _read_jsonl,
    "parquet": _read_parquet,
    "sqlite": _read_sqlite,
    "text": _read_text,
}
