"""The corpus stage as a process: every format, what it drops and says, bad inputs, the same bytes twice."""

from __future__ import annotations

import gzip
import json
import random
import sqlite3
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet
from support.jobs import make_job, make_worker, read_events, result_of, run_stage
from support.made_up_corpus import corpus

from stages._worker import jsonl
from stages._worker.artifacts import verify
from stages._worker.failures import WorkerFailure
from stages.corpus.run import run


def words(seed: int, count: int) -> str:
    """So many characters that no other seed gives."""
    pick = random.Random(seed)
    return "".join(
        pick.choice("水土林田路桥港船渔牧种苗药品疫苗房屋租赁合同税费预算审计统计测绘气象邮政")
        for _ in range(count)
    )


NEWS = [
    f"第{n}条新闻：今天上午，第{n * 7}届{'甲乙丙丁'[n % 4]}地会议在北京召开，代表们听取了报告{n}。"
    for n in range(40)
]
ARTICLES = [
    (
        f"{law}-{n}",
        law,
        f"第{n}条",
        f"{law}：{words(n + 100 * len(law), 30)}。",
        status,
        start,
    )
    for law, status, start in (
        ("水法", "现行有效", "2016-07-02"),
        ("种子法", "现行有效", "2022-03-01"),
        ("旧水法", "已废止", "1988-07-01"),
        ("新商标法", "现行有效", "2027-01-01"),
    )
    for n in range(1, 13)
]


def pack(data: bytes) -> bytes:
    """One zstd frame."""
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(data)
    return sink.getvalue().to_pybytes()


def source(name: str, group: str, form: str, path: Path | list[Path], **more: Any) -> dict[str, Any]:
    paths = [str(each) for each in path] if isinstance(path, list) else str(path)
    return {
        "name": name,
        "group": group,
        "license": "made up",
        "format": form,
        "path": paths,
        "fields": {"text": "text"},
        "split": {"heldout": {"share": 0.2}},
        **more,
    }


def build(folder: Path, config: dict[str, Any], **options: Any) -> tuple[int, dict[str, Any]]:
    """The stage inside this process: exit code, and the result event or the failure."""
    worker = make_worker("corpus", folder, **{"with": {"corpus": config, **options}})
    try:
        run(worker.job, worker)
    except WorkerFailure as failure:
        return failure.exit_code, {"message": str(failure), "hint": failure.hint}
    finally:
        worker.close()
    return 0, read_events(folder)[-1]


def lines(path: Path, texts: list[str]) -> Path:
    jsonl.write(path, ({"text": text, "n": number} for number, text in enumerate(texts)))
    return path


def documents(folder: Path, split: str, group: str) -> list[dict[str, Any]]:
    return list(jsonl.read(folder / "output" / "corpus" / "documents" / split / f"{group}.jsonl"))


def statutes(path: Path) -> dict[str, Any]:
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE a (id, law, article, text, status, start)")
        database.executemany("INSERT INTO a VALUES (?, ?, ?, ?, ?, ?)", ARTICLES)
    database.close()
    return source(
        "statutes",
        "legal",
        "sqlite",
        path,
        query="SELECT * FROM a ORDER BY id",
        fields={
            "id": "id",
            "text": "text",
            "title": "《{law}》{article}",
            "date": "start",
            "status": "status",
            "meta": {"law": "law"},
        },
        validity={"status": {"column": "status", "in_force": ["现行有效"]}, "effective": "start"},
        split={"unit": "law", "heldout": {"where": {"law": ["种子法"]}}, "base": 0.0},
    )


def test_every_format_gives_the_same_documents(tmp_path: Path) -> None:
    plain = lines(tmp_path / "n.jsonl", NEWS)
    (tmp_path / "n.jsonl.gz").write_bytes(gzip.compress(plain.read_bytes()))
    # Two frames: writers that append end one and begin another.
    half = len(plain.read_bytes()) // 2
    (tmp_path / "n.jsonl.zst").write_bytes(pack(plain.read_bytes()[:half]) + pack(plain.read_bytes()[half:]))
    parquet.write_table(pa.table({"text": NEWS}), tmp_path / "n.parquet", row_group_size=7)
    (tmp_path / "n.txt").write_text("\n\n".join(NEWS), encoding="utf-8")
    (tmp_path / "tagged.txt").write_text(
        "\n".join(" ".join(f"{c}/x" for c in text) for text in NEWS), encoding="utf-8"
    )
    (tmp_path / "gbk.txt").write_bytes("\n".join(NEWS).encode("gb18030"))
    forms: list[tuple[str, str, dict[str, Any]]] = [
        ("n.jsonl", "jsonl", {}),
        ("n.jsonl.gz", "jsonl.gz", {}),
        ("n.jsonl.zst", "jsonl.zst", {}),
        ("n.parquet", "parquet", {}),
        ("n.txt", "text", {}),
        ("tagged.txt", "text", {"tagged": True}),
        ("gbk.txt", "text", {"encoding": "gb18030"}),
    ]
    texts = []
    for name, form, more in forms:
        folder = tmp_path / f"job-{name}"
        code, result = build(folder, corpus(source("news", "general", form, tmp_path / name, **more)))
        assert code == 0, (name, result)
        texts.append(
            [each["text"] for split in ("train", "heldout") for each in documents(folder, split, "general")]
        )
    assert sorted(texts[0]) == sorted(NEWS)
    assert all(text == texts[0] for text in texts)


def test_statutes_news_and_copies(tmp_path: Path) -> None:
    copies = [
        NEWS[0],
        NEWS[1].replace("，", "　,"),
        NEWS[2] + "完",
        "x" * 40,
        "<p></p>" * 9 + "短文短文短文短文",
    ]
    config = corpus(
        source("news", "general", "jsonl", lines(tmp_path / "n.jsonl", NEWS)),
        source("more", "general", "jsonl", lines(tmp_path / "m.jsonl", [*copies, NEWS[3] + NEWS[4]])),
        statutes(tmp_path / "laws.db"),
    )
    code, result = build(tmp_path / "job", config)
    assert code == 0, result
    folder = tmp_path / "job" / "output" / "corpus"
    verify(folder)
    legal = documents(tmp_path / "job", "train", "legal")
    assert {each["meta"]["law"] for each in legal} == {"水法"}
    assert legal[0]["title"].startswith("《水法》第")
    assert {each["meta"]["law"] for each in documents(tmp_path / "job", "heldout", "legal")} == {"种子法"}
    report = json.loads((folder / "report.json").read_text())
    dropped = {each["name"]: each["dropped"] for each in report["sources"]}
    assert dropped["statutes"] == {"not_in_force": 12, "not_yet_in_force": 12}
    assert dropped["more"] == {"exact_duplicate": 2, "html": 1, "language": 1, "near_duplicate": 1}
    samples = report["sources"][1]["samples"]["exact_duplicate"]
    assert [each["detail"].split("/")[0] for each in samples] == ["of news", "of news"]
    for each in report["sources"]:
        kept = sum(count["documents"] for count in each["kept"].values())
        assert each["rows"] == kept + sum(each["dropped"].values()) + each["broken"]["rows"]
    assert result["metrics"]["documents"] == 40 + 1 + 24
    licenses = json.loads((folder / "licenses.json").read_text())
    assert [each["source"] for each in licenses] == ["news", "more", "statutes"]


def test_the_same_input_gives_the_same_bytes_anywhere(tmp_path: Path) -> None:
    hashes = set()
    for where in ("a", "b"):
        (tmp_path / where).mkdir()
        options = {"with": {"corpus": corpus(statutes(tmp_path / where / "laws.db"))}}
        assert run_stage(make_job("corpus", tmp_path / where / "job", **options)) == 0
        manifest = json.loads((tmp_path / where / "job" / "output" / "corpus" / "manifest.json").read_text())
        hashes.add(manifest["sha256"])
    assert len(hashes) == 1


def test_broken_lines_are_set_aside_within_the_limit(tmp_path: Path) -> None:
    path = lines(tmp_path / "n.jsonl", NEWS)
    good = path.read_bytes().splitlines(keepends=True)
    good[3:3] = [
        b'{"text": "cut off\n',
        b"[1, 2]\n",
        b'{"text": "\xb7\xa8\xc2\xc9"}\n',
        b'{"body": "x"}\n',
        b'{"text": 7}\n',
        b"\n",
        b'{"text": "half \\udc00 of a pair"}\n',
        b'{"text": "a whole pair \\ud842\\udfb7 stays a document of its own"}\n',
        b"[" * 100_000 + b"\n",
    ]
    path.write_bytes(b"".join(good))
    code, result = build(
        tmp_path / "job", corpus(source("news", "general", "jsonl", path)), max_bad_share=0.2
    )
    assert code == 0, result
    broken = list(jsonl.read(tmp_path / "job" / "output" / "corpus" / "broken" / "news.jsonl"))
    assert [each["line"] for each in broken] == [4, 5, 6, 7, 8, 10, 12]
    reasons = [each["reason"] for each in broken]
    for reason, words in zip(
        reasons,
        (
            "not JSON",
            "saw list",
            "not utf-8",
            "no field text",
            "saw int",
            "half of a surrogate pair",
            "not JSON",
        ),
        strict=True,
    ):
        assert words in reason
    assert result["metrics"]["documents"] == 40
    report = json.loads((tmp_path / "job" / "output" / "corpus" / "report.json").read_text())
    assert report["sources"][0]["dropped"] == {"language": 1}
    assert report["sources"][0]["broken"]["rows"] == 7


def test_too_many_broken_lines_end_the_stage_with_file_and_line(tmp_path: Path) -> None:
    path = lines(tmp_path / "n.jsonl", NEWS)
    path.write_text("nonsense\n" + path.read_text() + "more\n")
    options = {"with": {"corpus": corpus(source("news", "general", "jsonl", path))}}
    job = make_job("corpus", tmp_path / "job", **options)
    assert run_stage(job) == 65
    result = result_of(job)
    assert result["reason"] == "data_error"
    assert f"{path}:1: not JSON" in result["message"]
    assert "2 of 42 rows" in result["message"]


def test_a_file_in_another_encoding_says_so(tmp_path: Path) -> None:
    path = tmp_path / "n.txt"
    path.write_bytes("\n".join(NEWS).encode("gb18030"))
    code, result = build(tmp_path / "job", corpus(source("news", "general", "text", path)))
    assert code == 65
    assert f"{path}:1: not utf-8" in result["message"]
    assert "encoding: gb18030" in result["hint"]


@pytest.mark.parametrize("form", ["jsonl.gz", "jsonl.zst", "parquet"])
def test_a_file_that_is_cut_off_is_named(tmp_path: Path, form: str) -> None:
    path = tmp_path / f"n.{form}"
    plain = lines(tmp_path / "n.jsonl", NEWS * 50).read_bytes()
    if form == "parquet":
        parquet.write_table(pa.table({"text": NEWS}), path)
    else:
        path.write_bytes(gzip.compress(plain) if form == "jsonl.gz" else pack(plain))
    path.write_bytes(path.read_bytes()[:-9])
    code, result = build(tmp_path / "job", corpus(source("news", "general", form, path)))
    assert code == 65, result
    assert path.name in result["message"]


def test_missing_files_columns_and_databases(tmp_path: Path) -> None:
    code, result = build(tmp_path / "1", corpus(source("news", "general", "jsonl", tmp_path / "none.jsonl")))
    assert (code, "none.jsonl" in result["message"]) == (65, True)
    wrong = statutes(tmp_path / "laws.db") | {"query": "SELECT absent FROM a"}
    code, result = build(tmp_path / "2", corpus(wrong))
    assert code == 65
    assert "no such column: absent" in result["message"]
    (tmp_path / "no.db").write_text("this is no database")
    code, result = build(tmp_path / "3", corpus(wrong | {"path": str(tmp_path / "no.db")}))
    assert code == 65
    assert "no.db" in result["message"]


def test_a_file_broken_in_its_middle_is_named(tmp_path: Path) -> None:
    laws = statutes(tmp_path / "laws.db")
    pages = bytearray((tmp_path / "laws.db").read_bytes())
    pages[4096 : len(pages)] = b"\xff" * (len(pages) - 4096)
    (tmp_path / "laws.db").write_bytes(pages)
    packed = bytearray(pack(lines(tmp_path / "n.jsonl", NEWS * 50).read_bytes()))
    packed[len(packed) // 2] ^= 0xFF
    packed[len(packed) // 2 + 1] ^= 0xFF
    (tmp_path / "n.jsonl.zst").write_bytes(packed)
    parquet.write_table(pa.table({"text": NEWS}), tmp_path / "n.parquet", compression="none")
    column = bytearray((tmp_path / "n.parquet").read_bytes())
    column[4:60] = b"\xff" * 56
    (tmp_path / "n.parquet").write_bytes(column)
    for number, broken in enumerate(
        (
            laws,
            source("news", "general", "jsonl.zst", tmp_path / "n.jsonl.zst"),
            source("news", "general", "parquet", tmp_path / "n.parquet"),
        )
    ):
        code, result = build(tmp_path / str(number), corpus(broken))
        assert code == 65, result
        assert Path(broken["path"]).name in result["message"]
        left = tmp_path / str(number) / "output"
        assert not (left / "corpus" / "manifest.json").exists()
        assert list(left.glob("scratch-*")) == []


def test_a_group_that_ends_up_empty_is_refused_with_its_counts(tmp_path: Path) -> None:
    old = statutes(tmp_path / "laws.db")
    old["validity"]["status"]["in_force"] = ["尚未生效"]
    news = source("news", "general", "jsonl", lines(tmp_path / "n.jsonl", NEWS))
    code, result = build(tmp_path / "job", corpus(news, old))
    assert code == 65
    assert "group legal has no documents in split train" in result["message"]
    assert "'not_in_force': 48" in result["message"]
    assert not (tmp_path / "job" / "output" / "corpus" / "manifest.json").exists()


def test_an_empty_file_is_an_empty_group(tmp_path: Path) -> None:
    (tmp_path / "n.jsonl").write_text("")
    code, result = build(tmp_path / "job", corpus(source("news", "general", "jsonl", tmp_path / "n.jsonl")))
    assert code == 65
    assert "group general has no documents" in result["message"]


def test_cases_are_joined_by_their_facts(tmp_path: Path) -> None:
    facts = [
        f"公诉机关指控，被告人张某{n}在{n}号楼秘密窃取现金{n * 100}元，有证人证言证实。" for n in range(30)
    ]
    main = [
        {"query": f"事实:{fact}\r\n罪名:盗窃;抢夺。", "response": "法条:刑法第383、264条"} for fact in facts
    ]
    terms = [{"query": f"事实:{fact}罪名:盗窃。法条:刑法第264条", "response": "刑期:4个月"} for fact in facts]
    jsonl.write(tmp_path / "main.jsonl", main)
    jsonl.write(tmp_path / "terms.jsonl", [*terms, {"query": "事实:别的事实。", "response": "刑期:2个月"}])
    fields = {
        "text": "{facts}罪名：{charges}",
        "meta": {name: name for name in ("charges", "articles", "term_months")},
    }
    paths = [tmp_path / "main.jsonl", tmp_path / "terms.jsonl"]
    # Cases this alike are near duplicates; the test is about the join.
    config = corpus(
        source("cases", "legal", "lawbench", paths, fields=fields), duplicates={"threshold": 0.95}
    )
    code, result = build(tmp_path / "job", config)
    assert code == 0, result
    rows = [row for split in ("train", "heldout") for row in documents(tmp_path / "job", split, "legal")]
    assert len(rows) == 30
    assert rows[0]["meta"] == {
        "charges": ["盗窃", "抢夺"],
        "articles": ["刑法第383条", "刑法第264条"],
        "term_months": 4,
    }
    assert rows[0]["text"].endswith("罪名：盗窃、抢夺")
