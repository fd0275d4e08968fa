"""What a corpus can be refused for before it is built: the first rows of every source, and the files beside them."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches
from functools import partial
from itertools import islice
from typing import Any

from stages._early.at_once import at_once
from stages._early.problem import Problem
from stages._early.task_files import look_at_task_files
from stages._worker.failures import DataError, WorkerFailure
from stages._worker.locate import SourceFile, locate
from stages.corpus.config import complete_corpus
from stages.corpus.document import columns_of, to_document
from stages.corpus.reading.lawbench import read_lawbench
from stages.corpus.reading.readers import numbered_lines, read_source
from stages.corpus.reading.rows import BrokenRow, Row
from stages.corpus.tally import encoding_hint

_ROWS = 64
_ROWS_READ_ON = 50_000
"""Lines of JSON may have other keys each: so many are read before a column counts as one that none has."""
_SECONDS = 10.0


def look(options: dict[str, Any]) -> Iterator[Problem]:
    """The problems of all sources, of licences, and of the evaluations that are kept out."""
    config = complete_corpus(options["corpus"])
    allowed = options["max_bad_share"]
    allowed = config["max_bad_share"] if allowed is None else allowed
    sources = config["sources"]
    looks = [
        (f"source {source['name']}", partial(_look_at_source, source, may_be_broken=allowed >= 1))
        for source in sources
    ]
    for problems in at_once(looks, _SECONDS):
        yield from problems
    for suite in config["decontamination"]["evaluations"]:
        for files in suite["files"]:
            yield from look_at_task_files(files)


def _look_at_source(source: dict[str, Any], *, may_be_broken: bool) -> Iterator[Problem]:
    name = source["name"]
    if "license_file" in source:
        yield from _look_at_license(name, source["license_file"])
    files: list[SourceFile] = []
    addresses = source["path"] if isinstance(source["path"], list) else [source["path"]]
    for address in addresses:
        try:
            files += locate(name, address)
        except WorkerFailure as error:
            yield Problem(message=str(error), hint=error.hint, address=address)
    if not files:
        return
    try:
        read = _first_rows(source, files)
    except DataError as error:
        yield Problem(message=f"source {name}: {error}", hint=error.hint)
        return
    except (OSError, LookupError) as error:
        # A LookupError is an encoding that Python does not know.
        yield Problem(message=f"source {name}: {_near(files)} cannot be read: {error}")
        return
    rows = [row for row in read if isinstance(row, Row)]
    broken = [row for row in read if isinstance(row, BrokenRow)]
    if broken and not rows and not may_be_broken:
        yield _all_broken(name, broken)
    elif rows:
        yield from _look_at_columns(source, files, rows, may_be_broken=may_be_broken)


def _first_rows(source: dict[str, Any], files: list[SourceFile]) -> list[Row | BrokenRow]:
    if source["format"] == "lawbench":
        # Its reader joins whole files: it gets the first lines of each.
        return list(read_lawbench(files, lambda file: islice(numbered_lines(file, source), _ROWS)))
    return list(islice(read_source(source, files), _ROWS))


def _look_at_columns(
    source: dict[str, Any], files: list[SourceFile], rows: list[Row], *, may_be_broken: bool
) -> Iterator[Problem]:
    name, first, seen = source["name"], rows[0], len(rows)
    there = list(dict.fromkeys(column for row in rows for column in row.values))
    absent: dict[str, list[str]] = {}
    for place, rule in _rules(source):
        for column in columns_of(rule) if place.startswith("fields") else [rule]:
            if column not in there:
                absent.setdefault(column, []).append(place)
    if absent and source["format"].startswith("jsonl"):
        later, seen = _later_columns(source, files, set(absent))
        absent = {column: places for column, places in absent.items() if column not in later}
        if later:
            may_be_broken = True  # the first rows lack what others have
    for column, places in absent.items():
        near = get_close_matches(column, there, n=1)
        yield Problem(
            message=f"source {name}: {first.file}:{first.line} has no column {column}, which "
            f"{' and '.join(places)} {'reads' if len(places) == 1 else 'read'}"
            + (f"; nor has one of the first {seen} rows" if seen > 1 else ""),
            expected=f"one of {', '.join(map(str, there))[:300]}",
            hint=f"did you mean {near[0]}?" if near else None,
        )
    if absent or may_be_broken:
        return
    documents = [to_document(source, row) for row in rows]
    broken = [row for row in documents if isinstance(row, BrokenRow)]
    if len(broken) == len(rows):
        yield _all_broken(name, broken)


def _later_columns(source: dict[str, Any], files: list[SourceFile], wanted: set[str]) -> tuple[set[str], int]:
    """Which of the columns a row further on has, and how many rows were looked at."""
    found: set[str] = set()
    seen = 0
    for row in islice(read_source(source, files), _ROWS_READ_ON):
        if isinstance(row, Row):
            seen += 1
            found |= wanted & row.values.keys()
            if found == wanted:
                break
    return found, seen


def _rules(source: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Where a source names columns, and what it writes there."""
    for field, rule in source["fields"].items():
        if field == "meta":
            yield from ((f"fields.meta.{key}", column) for key, column in rule.items())
        else:
            yield f"fields.{field}", rule
    yield from (("where", column) for column in source["where"])
    validity, split = source["validity"], source["split"]
    for rule in ("status", "published"):
        if rule in validity:
            yield f"validity.{rule}.column", validity[rule]["column"]
    if "effective" in validity:
        yield "validity.effective", validity["effective"]
    if "unit" in split:
        yield "split.unit", split["unit"]
    yield from (("split.heldout.where", column) for column in split["heldout"]["where"])


def _all_broken(name: str, broken: list[BrokenRow]) -> Problem:
    first = broken[0]
    others = f"; so are all of its first {len(broken)} rows" if len(broken) > 1 else ""
    return Problem(
        message=f"source {name}: {first.file}:{first.line} cannot be read: {first.reason}: "
        f"{first.excerpt.strip()[:60]!r}{others}",
        hint=encoding_hint(first) or "look at `format` and `fields` of the source, or mend the file",
    )


def _look_at_license(name: str, address: str) -> Iterator[Problem]:
    try:
        files = locate(name, address)
    except WorkerFailure as error:
        yield Problem(message=f"license_file of {error}", hint=error.hint, address=address)
        return
    if len(files) > 1:
        yield Problem(
            message=f"source {name}: license_file {address} names {len(files)} files", expected="one file"
        )
        return
    try:
        files[0].path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        yield Problem(
            message=f"source {name}: license_file {address} cannot be read: {error}", expected="text in UTF-8"
        )


def _near(files: list[SourceFile]) -> str:
    return files[0].name if len(files) == 1 else f"one of {files[0].name} and {len(files) - 1} more"
