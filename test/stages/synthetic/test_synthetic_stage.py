"""The synthetic stage as a process over HTTP: stand-in, shards, kill and resume, unfaithful teachers, budget, judge."""

from __future__ import annotations

import copy
import json
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.chat_server import Say, by_rules, chat_server
from support.jobs import last_checkpoint, make_job, read_events, result_of, run_stage, signal_when
from support.legal_corpus import legal_corpus
from support.shards import outputs_of, run_shards, summed

from stages._lead import sections
from stages._worker import jsonl
from stages._worker.artifacts import verify
from stages._worker.data.documents import groups_of, read_documents
from stages._worker.failures import UserError
from stages._worker.locations import CHECKOUT
from stages.synthetic.config import complete_synthetic

TEXTS = 66
"""What small_config wants: judge 20, prosecutor 10, scholar 10, textbook 10, plain 16."""


def small_config(**changes: Any) -> dict[str, Any]:
    """configs/synthetic/demo.yaml with small numbers; `changes` go to the teacher."""
    text = (CHECKOUT / "configs" / "synthetic" / "demo.yaml").read_text(encoding="utf-8")
    config = {"name": "small", **copy.deepcopy(yaml.safe_load(text))}
    for name, template in {**config["views"], **config["styles"]}.items():
        template["samples"] = {"judge": 20, "plain": 16}.get(name, 10)
    config["teacher"].update({"tries": 2, "back_off_seconds": 0.01, **changes})
    return config


def with_judge(config: dict[str, Any]) -> dict[str, Any]:
    judge = {**config["teacher"], "base_url_env": "LEGALONE_JUDGE_URL", "api_key_env": "LEGALONE_JUDGE_KEY"}
    quality = {"judge": judge, "system": "评审。", "instruction": "按 {{ axes | join('、') }} 打分。"}
    return {**config, "quality": quality}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return legal_corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, corpus: Path) -> dict[str, Any]:
    """The job of the stage in one part, with the stand-in as teacher and judge."""
    fields = {"inputs": {"corpus": corpus}, "with": {"synthetic": with_judge(small_config())}}
    return run_shards("synthetic", tmp_path_factory.mktemp("whole"), 1, **fields)[0]


def job_of(corpus: Path, folder: Path, config: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return make_job(
        "synthetic", folder, inputs={"corpus": corpus}, **{"with": {"synthetic": config}}, **fields
    )


def output_of(job: dict[str, Any]) -> Path:
    return Path(job["output"]) / "synthetic"


def documents_in(job: dict[str, Any]) -> list[dict[str, Any]]:
    return list(read_documents(output_of(job), "train", "synthetic"))


def test_documents_say_what_they_were_made_from_and_that_a_stand_in_wrote_them(
    whole: dict[str, Any], corpus: Path
) -> None:
    verify(output_of(whole))
    rows = documents_in(whole)
    sources = {row["id"]: row for row in read_documents(corpus, "train", "legal")}
    assert len(rows) == TEXTS == len({row["id"] for row in rows})
    assert {(row["source"], row["meta"].get("view") or row["meta"]["style"]) for row in rows} == {
        ("multi-view", "judge"),
        ("multi-view", "prosecutor"),
        ("multi-view", "scholar"),
        ("rewrites", "textbook"),
        ("rewrites", "plain"),
    }
    for row in rows:
        assert row["group"] == "synthetic"
        assert row["meta"]["source"] in sources
        assert row["meta"]["teacher"] == {"name": "scripted", "revision": "1", "stand_in": True}
        assert "stand-in" in row["license"] and row["license"].endswith("made up")
        assert row["text"] != sources[row["meta"]["source"]]["text"]
    licenses = json.loads((output_of(whole) / "licenses.json").read_text())
    assert {each["source"] for each in licenses} == {"multi-view", "rewrites"}
    assert all("stand-in" in each["license"] for each in licenses)
    warned = [each["code"] for each in read_events(Path(whole["folder"])) if each["type"] == "warning"]
    assert warned == ["stand_in", "stand_in"]
    metrics = result_of(whole)["metrics"]
    assert metrics["stand_in_documents"] == metrics["documents"] == metrics["asked"] == TEXTS
    report = json.loads((output_of(whole) / "report.json").read_text())
    assert report["teacher"]["stand_in"] and report["judge"]["stand_in"]
    # Views of a document stand side by side.
    judged = {row["meta"]["source"] for row in rows if row["meta"].get("view") == "judge"}
    argued = {row["meta"]["source"] for row in rows if row["meta"].get("view") == "prosecutor"}
    assert judged & argued


def test_three_shards_are_the_one_stage_to_the_byte(
    whole: dict[str, Any], corpus: Path, tmp_path: Path
) -> None:
    config = with_judge(small_config(concurrency=3))
    jobs = run_shards("synthetic", tmp_path, 3, inputs={"corpus": corpus}, **{"with": {"synthetic": config}})
    file = Path("documents") / "train" / "synthetic.jsonl"
    parts = [(folder / file).read_bytes() for folder in outputs_of(jobs, "synthetic")]
    assert all(parts)
    assert b"".join(parts) == (output_of(whole) / file).read_bytes()
    for metric in ("asked", "documents", "characters", "judged", "dropped", "stand_in_documents"):
        assert summed(jobs, metric) == result_of(whole)["metrics"][metric], metric
    folders = [corpus, *outputs_of(jobs, "synthetic")]
    assert groups_of(folders, "train") == ["general", "legal", "synthetic"]
    assert [row["id"] for row in read_documents(folders, "train", "synthetic")] == [
        row["id"] for row in documents_in(whole)
    ]


LIES = {
    "article": "这一点另见《渔业法》第九百条。",
    "figure": "另须缴纳87654元。",
    "name": "被告人欧阳锋不服。",
}


def lying(number: int, body: dict[str, Any]) -> Say:
    """A teacher that answers by rules, and puts a lie behind every second text: three kinds in turn."""
    text = by_rules(number, body).text
    return Say(text=text + list(LIES.values())[number // 2 % 3] if number % 2 else text)


def test_unfaithful_texts_are_dropped_counted_and_kept_for_reading(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with chat_server(lying) as server:
        monkeypatch.setenv("LEGALONE_TEACHER_URL", server.url)
        job = job_of(corpus, tmp_path, {**small_config(concurrency=1), "kept_faults": 5})
        assert run_stage(job) == 0
    result = result_of(job)
    assert result["summary"]["dropped"] == dict.fromkeys(LIES, TEXTS // 6)
    assert result["metrics"]["documents"] == TEXTS // 2
    kept = list(jsonl.read(output_of(job) / "dropped.jsonl"))
    assert Counter(each["reason"] for each in kept) == dict.fromkeys(LIES, 5)
    assert all(each["text"].endswith(LIES[each["reason"]]) and each["detail"] for each in kept)
    assert not any(row["text"].endswith(tuple(LIES.values())) for row in documents_in(job))
    assert result["metrics"]["stand_in_documents"] == 0
    assert documents_in(job)[0]["meta"]["teacher"]["name"] == "Qwen3-235B-A22B-Thinking-2507"
    assert documents_in(job)[0]["license"] == "as the teacher's terms allow; made from text under: made up"


def test_a_teacher_that_copies_leaves_nothing_and_says_why(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def copy_it(_: int, body: dict[str, Any]) -> Say:
        parts = sections.read_sections(body["messages"][-1]["content"])
        return Say(text=sections.read_documents(parts[sections.MATERIAL])[0][1])

    with chat_server(copy_it) as server:
        monkeypatch.setenv("LEGALONE_TEACHER_URL", server.url)
        job = job_of(corpus, tmp_path, small_config())
        assert run_stage(job) == 65
    assert f"none of {TEXTS} texts is faithful" in result_of(job)["message"]
    assert f"'copied': {TEXTS}" in result_of(job)["message"]
    assert {each["reason"] for each in jsonl.read(output_of(job) / "dropped.jsonl")} == {"copied"}


def test_a_teacher_that_goes_away_is_unavailable_and_the_next_attempt_pays_only_the_rest(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEGALONE_TEACHER_KEY", "a-secret-key")
    first, second = (tmp_path / f"rtest-synthetic-g1-s0-e{epoch}" for epoch in (1, 2))
    with chat_server(lambda n, b: by_rules(n, b) if n < 25 else Say(status=503)) as server:
        monkeypatch.setenv("LEGALONE_TEACHER_URL", server.url)
        job = job_of(corpus, first, small_config())
        assert run_stage(job) == 69
        assert result_of(job)["reason"] == "endpoint_unavailable"
    with chat_server(by_rules) as server:
        monkeypatch.setenv("LEGALONE_TEACHER_URL", server.url)
        job = job_of(corpus, second, small_config())
        assert run_stage(job) == 0
        assert len(server.requests) == TEXTS - 25
    everything = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"a-secret-key" not in everything


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory, corpus: Path) -> list[dict[str, Any]]:
    """Documents of a stage that nobody killed, by a teacher behind an address."""
    with chat_server(by_rules) as server, pytest.MonkeyPatch.context() as patch:
        patch.setenv("LEGALONE_TEACHER_URL", server.url)
        job = job_of(corpus, tmp_path_factory.mktemp("taught"), small_config())
        assert run_stage(job) == 0
    return documents_in(job)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_killed_and_resumed_it_ends_with_the_same_documents(
    corpus: Path,
    taught: list[dict[str, Any]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    number: signal.Signals,
) -> None:
    def slowly(number: int, body: dict[str, Any]) -> Say:
        return Say(text=by_rules(number, body).text, seconds=0.1)

    first, second = (tmp_path / f"rtest-synthetic-g1-s0-e{epoch}" for epoch in (1, 2))
    config = small_config(concurrency=2)
    with chat_server(slowly) as server:
        monkeypatch.setenv("LEGALONE_TEACHER_URL", server.url)
        job = job_of(corpus, first, config)
        code = signal_when(job, number, lambda events: any(e["type"] == "progress" for e in events))
        again = job_of(corpus, second, config)
        if number == signal.SIGTERM:
            assert code == 75
            again["resume"] = last_checkpoint(job)
        else:
            assert code == -signal.SIGKILL
        before = len(server.requests)
        assert 0 < before < TEXTS
        assert run_stage(again) == 0
        # Two questions at most were on their way when it ended.
        assert TEXTS <= len(server.requests) <= TEXTS + 2
    assert documents_in(again) == taught


def test_the_budget_leaves_out_the_rest_and_says_so(corpus: Path, tmp_path: Path) -> None:
    job = job_of(corpus, tmp_path, {**with_judge(small_config()), "max_requests": 31})
    assert run_stage(job) == 0
    metrics = result_of(job)["metrics"]
    assert (metrics["asked"], metrics["judged"], metrics["left_out"]) == (15, 15, TEXTS - 15)
    report = json.loads((output_of(job) / "report.json").read_text())
    assert report["teacher"]["requests"] + report["judge"]["requests"] == 30
    warned = {each["code"]: each["message"] for each in read_events(tmp_path) if each["type"] == "warning"}
    assert f"{TEXTS - 15} are left out" in warned["over_budget"]
    assert [e["of"] for e in read_events(tmp_path) if e["type"] == "progress"][-1] == 15


def test_a_judge_that_is_not_content_drops_by_axis(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def judge(number: int, _: dict[str, Any]) -> Say:
        return Say(text=json.dumps({"faithful": 6 if number % 2 else 9, "useful": 8}))

    with chat_server(judge) as server:
        monkeypatch.setenv("LEGALONE_JUDGE_URL", server.url)
        job = job_of(corpus, tmp_path, with_judge(small_config()))
        assert run_stage(job) == 0
    assert result_of(job)["summary"]["dropped"] == {"judge:faithful": TEXTS // 2}
    assert all(row["meta"]["marks"] == {"faithful": 9, "useful": 8} for row in documents_in(job))


def test_wrong_configs_are_refused_before_anything_is_asked(corpus: Path, tmp_path: Path) -> None:
    assert run_stage(job := job_of(corpus, tmp_path / "none", small_config(stand_in="none"))) == 64
    assert "LEGALONE_TEACHER_URL is not set" in result_of(job)["message"]
    assert (
        run_stage(job := job_of(corpus, tmp_path / "long", {**small_config(), "shortest_source": 9000})) == 65
    )
    assert "no legal training document fits a view or style" in result_of(job)["message"]
    assert "100 too short" in result_of(job)["message"]
    config = small_config()
    config["views"]["judge"]["length"] = {"min": 2, "max": 1}
    with pytest.raises(UserError, match=r"views\.judge\.length: expected min below max, saw 2 and 1"):
        complete_synthetic(config)
    config = small_config()
    config["views"]["judge"]["matching"] = "("
    with pytest.raises(UserError, match=r"views\.judge\.matching: '\(' is no regular expression"):
        complete_synthetic(config)
    with pytest.raises(UserError, match="faithfulness"):
        complete_synthetic({**small_config(), "faithfulness": {"max_copied": 2}})
