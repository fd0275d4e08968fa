"""Plain text: lines joined to documents, with part-of-speech tags taken off where a file carries them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from stages._worker.locate import SourceFile
from stages.corpus.reading.rows import BrokenRow, Row


def read_paragraphs(
    file: SourceFile, lines: Iterator[tuple[int, str | BrokenRow]], source: dict[str, Any]
) -> Iterator[Row | BrokenRow]:
    """Documents of a text file: paragraphs are joined until `join_until` characters or an empty line.

    With `tagged`, a line is words `word/tag` with spaces between them, as in the People's Daily corpus.
    A document is a row {text, first, line}; `first` is its first line.
    """
    held: list[str] = []
    start = 1
    for number, line in lines:
        if isinstance(line, BrokenRow):
            yield line
            continue
        text = _untag(line) if source["tagged"] else line.strip()
        if text is None:
            reason = "expected words of the form word/tag"
            yield BrokenRow(file=file.name, line=number, reason=reason, excerpt=line[:120])
            continue
        start = start if held else number
        if text:
            held.append(text)
        if held and (not text or sum(map(len, held)) >= source["join_until"]):
            yield _document(file, held, start)
            held = []
    if held:
        yield _document(file, held, start)


def _untag(line: str) -> str | None:
    words = line.split()
    parts = [word.rpartition("/") for word in words]
    if any(not slash for _, slash, _ in parts):
        return None
    return "".join(word for word, _, _ in parts)


def _document(file: SourceFile, lines: list[str], start: int) -> Row:
    return Row(
        values={"text": "\n".join(lines), "first": lines[0], "line": start}, file=file.name, line=start
    )
