"""What the early look says of sources: real files of every format, sound and broken, and the demo's."""

from __future__ import annotations

import gzip
import json
import sqlite3
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet
from support.early import look_early, sentences
from support.jobs import make_job, result_of, run_stage
from support.made_up_corpus import corpus, source, texts, write

from stages._worker.locations import data_folder


def look(*sources: dict[str, Any], **more: Any) -> list[str]:
    problems = look_early({"kind": "corpus", "with": {"corpus": corpus(*sources, **more)}})
    assert {each["about"] for each in problems} <= {"input"}
    return sentences(problems)


def sound(folder: Path) -> list[dict[str, Any]]:
    """A source of every format, all of which the look has nothing to say of."""
    rows = [{"n": n, "text": text} for n, text in enumerate(texts(1, 200))]
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    (folder / "a.jsonl").write_text(lines, encoding="gb18030")
    (folder / "b.jsonl.gz").write_bytes(gzip.compress(lines.encode()))
    with pa.CompressedOutputStream(str(folder / "c.jsonl.zst"), "zstd") as packed:
        packed.write(lines.encode())
    parquet.write_table(pa.Table.from_pylist(rows), folder / "d.parquet")
    with sqlite3.connect(folder / "e.db") as base:
        base.execute("CREATE TABLE t (n, text)")
        base.executemany("INSERT INTO t VALUES (:n, :text)", rows)
    (folder / "f.txt").write_text("\n".join(row["text"] for row in rows), encoding="utf-8")
    cases = [{"query": f"事实:{row['text']} 罪名:盗窃", "response": "法条:第264条"} for row in rows]
    (folder / "g.jsonl").write_text("\n".join(map(json.dumps, cases)), encoding="utf-8")
    facts = {"fields": {"text": "{facts}\n{charges}", "title": "charges"}}
    return [
        source("plain", folder / "a.jsonl", encoding="gb18030"),
        source("gz", folder / "b.jsonl.gz", format="jsonl.gz"),
        source("zst", folder / "c.jsonl.zst", format="jsonl.zst"),
        source("table", folder / "d.parquet", format="parquet"),
        source("base", folder / "e.db", format="sqlite", query="SELECT n, text FROM t ORDER BY n"),
        source(
            "lines",
            folder / "f.txt",
            format="text",
            fields={"text": "text", "id": "{line}", "title": "first"},
        ),
        source("cases", folder / "g.jsonl", format="lawbench", **facts),
    ]


def test_sound_sources_of_every_format_are_let_through(tmp_path: Path) -> None:
    assert look(*sound(tmp_path)) == []


@pytest.mark.skipif(not (data_folder() / "stamp.json").is_file(), reason="the demo data is not fetched")
def test_the_demo_is_let_through() -> None:
    assert look_early({"kind": "corpus", "with": {"corpus": "demo"}}) == []


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (
            {"fields": {"id": "n", "text": "txet"}},
            "{file}:1 has no column txet, which fields.text reads; nor has one of the first 100 rows; "
            "one of n, text, kind; did you mean text?",
        ),
        (
            {"fields": {"id": "{law}-{n}", "text": "text", "meta": {"law": "law"}}},
            "{file}:1 has no column law, which fields.id and fields.meta.law read; nor has one",
        ),
        ({"where": {"kinds": ["a"]}}, "has no column kinds, which where reads"),
        (
            {"validity": {"status": {"column": "state", "in_force": ["现行有效"]}, "effective": "from"}},
            "has no column state, which validity.status.column reads",
        ),
        ({"validity": {"effective": "from"}}, "has no column from, which validity.effective reads"),
        (
            {"validity": {"published": {"column": "date", "newest_years": 5}}},
            "has no column date, which validity.published.column reads",
        ),
        ({"split": {"unit": "law"}}, "has no column law, which split.unit reads"),
        (
            {"split": {"heldout": {"where": {"knid": ["a"]}}}},
            "has no column knid, which split.heldout.where reads; nor has one of the first 100 rows; "
            "one of n, text, kind; did you mean kind?",
        ),
        (
            {"fields": {"text": "n"}},
            "{file}:1 cannot be read: field n: expected text, saw int: \"{{'n': 0",
        ),
        ({"encoding": "utf-61"}, "{file} cannot be read: unknown encoding: utf-61"),
    ],
)
def test_a_column_that_no_row_has_is_named_with_those_that_are_there(
    tmp_path: Path, more: dict[str, Any], says: str
) -> None:
    file = write(tmp_path / "a.jsonl", texts(1, 100), kind="a")
    found = look(source("news", file, **more), source("rest", file))
    assert any(
        f"source news: {says.format(file=file)}" in one or says.format(file=file) in one for one in found
    )
    assert all(one.startswith("source news: ") for one in found)


def test_a_row_without_the_column_is_no_problem_while_another_has_it(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    rows = [{"text": "一" * 30}] * 20 + [{"text": "一" * 30, "date": "2026"}]
    file.write_text("\n".join(map(json.dumps, rows)))
    assert look(source("news", file, fields={"text": "text", "date": "date"})) == []


@pytest.mark.parametrize(
    ("form", "data", "says"),
    [
        ("jsonl", b"a line\n" * 100, "{file}:1 cannot be read: not JSON (Expecting value"),
        (
            "jsonl",
            json.dumps({"n": 1, "text": "新闻"}, ensure_ascii=False).encode("gb18030") * 2,
            "{file}:1 cannot be read: not utf-8 (byte 0x",
        ),
        ("jsonl.gz", b'{"n": 1}\n', "{file}:1: the compressed file is broken or cut off"),
        ("jsonl.zst", b'{"n": 1}\n', "{file}:1: the compressed file is broken or cut off"),
        ("parquet", b'{"n": 1}\n', "{file}: no whole Parquet file"),
        ("sqlite", b'{"n": 1}\n' * 100, "{file}: the query of source news failed (file is not a database)"),
        ("text", "新闻\n".encode("gb18030") * 9, "{file}:1 cannot be read: not utf-8"),
        (
            "lawbench",
            b'{"query": 1}\n',
            "{file}:1 cannot be read: expected an object with query and response",
        ),
    ],
)
def test_a_file_of_another_form_is_refused(tmp_path: Path, form: str, data: bytes, says: str) -> None:
    file = tmp_path / "a.data"
    file.write_bytes(data)
    query = {"query": "SELECT n, text FROM t"} if form == "sqlite" else {}
    (found,) = look(source("news", file, format=form, **query))
    assert found.startswith(f"source news: {says.format(file=file)}")


def test_an_encoding_is_proposed(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_text("新闻。\n" * 100, encoding="gb18030")
    (found,) = look(source("news", file, format="text", fields={"text": "text"}))
    assert found.endswith(
        "so are all of its first 64 rows; the file may be GB18030: say `encoding: gb18030` in its source"
    )
    assert look(source("news", file, format="text", encoding="gb18030", fields={"text": "text"})) == []


def test_broken_rows_that_the_corpus_allows_are_let_through(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_text("a line\n" * 100)
    assert look(source("news", file), max_bad_share=1) == []


def test_a_missing_file_bears_its_address_so_that_it_is_told_once(tmp_path: Path) -> None:
    gone = str(tmp_path / "gone.jsonl")
    rules = {"corpus": corpus(source("news", Path(gone), license_file=f"{gone}.txt"))}
    found = look_early({"kind": "corpus", "with": rules})
    assert [each.get("address") for each in found] == [f"{gone}.txt", gone]


def test_a_variable_stands_for_its_folder_in_no_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "below" / "a.jsonl", texts(1, 3))
    monkeypatch.setenv("LEGALONE_CORPUS", str(tmp_path))
    monkeypatch.setenv("LEGALONE_VARIABLES", "LEGALONE_CORPUS")
    path = "${LEGALONE_CORPUS}/below/a.jsonl"
    (found,) = look({**source("news", Path("x"), fields={"text": "txt"}), "path": path})
    assert found.startswith(f"source news: {path}:1 has no column txt")
    assert str(tmp_path) not in found


def test_files_of_evaluations_that_are_kept_out_are_looked_at(tmp_path: Path) -> None:
    file = write(tmp_path / "a.jsonl", texts(1, 100))
    (tmp_path / "jec").mkdir()
    (tmp_path / "jec" / "0_test.jsonl").write_text('{"statement": "一", "answer": "A"}\n')
    suite = {"about": "x", "files": [{"form": "jecqa", "folder": str(tmp_path / "jec")}]}
    (found,) = look(source("news", file), decontamination={"evaluations": [suite]})
    assert "0_test.jsonl: item 0 needs the texts option_list; it has statement, answer" in found


def test_what_the_look_refuses_the_stage_refuses_too(tmp_path: Path) -> None:
    """A check that refused what the stage would have taken would be worse than none."""
    file = write(tmp_path / "a.jsonl", texts(1, 300), kind="a")
    for number, more in enumerate(
        (
            {"fields": {"id": "n", "text": "txt"}},
            {"where": {"kinds": ["a"]}},
            {"validity": {"effective": "from"}},
            {"split": {"unit": "law", "heldout": {"share": 0.4}}},
        )
    ):
        config = corpus(source("news", file, **more))
        assert look_early({"kind": "corpus", "with": {"corpus": config}})
        job = make_job("corpus", tmp_path / str(number), **{"with": {"corpus": config}})
        assert run_stage(job) != 0, (more, result_of(job))


def test_a_column_that_only_later_lines_have_is_no_problem(tmp_path: Path) -> None:
    rows = [{"n": n, "text": text} for n, text in enumerate(texts(1, 300))]
    lines = [row | ({"type": "law"} if row["n"] >= 200 else {}) for row in rows]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    assert look(source("a", tmp_path / "a.jsonl", where={"type": ["law"]})) == []
    [problem] = look(source("a", tmp_path / "a.jsonl", where={"typ": ["law"]}))
    assert "has no column typ" in problem and "nor has one of the first 300 rows" in problem
