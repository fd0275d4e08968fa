"""The four LEAD stages as processes: stand-in, resume from replies, stops, bad inputs, the same bytes twice."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.chat_server import Say, by_rules, chat_server
from support.jobs import last_checkpoint, make_job, read_events, result_of, run_stage, signal_when
from support.legal_corpus import legal_corpus, small_lead

from stages._worker import jsonl
from stages._worker.artifacts import verify

Stage = Callable[..., Path]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return legal_corpus(tmp_path_factory.mktemp("corpus"))


def run_chain(folder: Path, corpus: Path, lead: dict[str, Any]) -> dict[str, Path]:
    """Outputs of prompts -> trajectories -> refined -> samples; every stage has to succeed."""
    outputs = {"corpus": corpus}
    for kind, needs, made in (
        ("lead-prompts", ["corpus"], "prompts"),
        ("lead-synthesize", ["prompts", "corpus"], "trajectories"),
        ("lead-refine", ["trajectories"], "refined"),
        ("lead-judge", ["refined", "corpus"], "samples"),
    ):
        inputs = {name: outputs[name] for name in needs}
        job = make_job(kind, folder / kind, inputs=inputs, **{"with": {"lead": lead}})
        assert run_stage(job) == 0, result_of(job)
        outputs[made] = folder / kind / "output" / made
        verify(outputs[made])
    return outputs


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory, corpus: Path) -> dict[str, Path]:
    return run_chain(tmp_path_factory.mktemp("chain"), corpus, small_lead())


def hash_of(folder: Path) -> str:
    return json.loads((folder / "manifest.json").read_text())["sha256"]


def test_the_chain_makes_samples_of_both_tasks_with_the_stand_in_named(chain: dict[str, Path]) -> None:
    prompts = list(jsonl.read(chain["prompts"] / "prompts.jsonl"))
    samples = list(jsonl.read(chain["samples"] / "samples.jsonl"))
    assert {(each["task"], each["split"]) for each in samples} == {
        (task, split) for task in ("statute_recitation", "charge_choice") for split in ("train", "heldout")
    }
    assert {each["pool"] for each in samples} == {None, "memorisation", "choice"}
    assert all(each["teacher"] == {"name": "scripted", "revision": "1", "stand_in": True} for each in samples)
    trained = {d["id"] for p in prompts if p["split"] == "train" for d in p["documents"]}
    held = {d["id"] for p in prompts if p["split"] == "heldout" for d in p["documents"]}
    assert trained and held and not trained & held
    events = read_events(chain["samples"].parents[1])
    assert [each["code"] for each in events if each["type"] == "warning"] == ["stand_in"]
    report = json.loads((chain["trajectories"] / "report.json").read_text())
    assert report["model"]["stand_in"] is True
    assert report["model"]["requests"] == 5 * len(prompts)


def test_trajectories_have_five_nodes_and_find_the_cited_article(chain: dict[str, Path]) -> None:
    rows = list(jsonl.read(chain["trajectories"] / "trajectories.jsonl"))
    for row in rows:
        nodes = [step["node"] for step in row["steps"]]
        assert nodes == ["facts", "issues", "rules", "deduction", "conclusion"]
        if row["task"] == "statute_recitation":
            assert row["retrieved"][0] == row["documents"][0]["id"]
            assert row["steps"][-1]["text"] == row["reference"]


def test_the_same_input_gives_the_same_bytes(chain: dict[str, Path], corpus: Path, tmp_path: Path) -> None:
    again = run_chain(tmp_path, corpus, small_lead(concurrency=3))
    for kind in ("prompts", "samples"):
        assert hash_of(again[kind]) == hash_of(chain[kind]), kind


@pytest.mark.long
def test_shards_hold_every_prompt_once(chain: dict[str, Path], tmp_path: Path) -> None:
    inputs = {name: chain[name] for name in ("prompts", "corpus")}
    parts = []
    for shard in range(2):
        changes = {"with": {"lead": small_lead()}, "shard": shard, "shards": 2}
        job = make_job("lead-synthesize", tmp_path / str(shard), inputs=inputs, **changes)
        assert run_stage(job) == 0
        parts.append(tmp_path / str(shard) / "output" / "trajectories")
    ids = [row["id"] for part in parts for row in jsonl.read(part / "trajectories.jsonl")]
    assert sorted(ids) == sorted(row["id"] for row in jsonl.read(chain["prompts"] / "prompts.jsonl"))
    job = make_job("lead-refine", tmp_path / "joined", **{"with": {"lead": small_lead()}})
    job["inputs"] = [{"kind": "trajectories", "uri": part.as_uri()} for part in parts]
    assert run_stage(job) == 0
    assert result_of(job)["metrics"]["refined"] == len(ids)
    job["inputs"] = job["inputs"][:1] * 2
    assert run_stage(job) == 65
    assert "comes twice" in result_of(job)["message"]


def synthesize_job(chain: dict[str, Path], folder: Path, **changes: Any) -> dict[str, Any]:
    inputs = {name: chain[name] for name in ("prompts", "corpus")}
    return make_job("lead-synthesize", folder, inputs=inputs, **{"with": {"lead": small_lead(**changes)}})


def test_a_teacher_that_goes_away_is_unavailable_and_the_next_attempt_pays_only_the_rest(
    chain: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEGALONE_TEACHER_KEY", "a-secret-key")
    first, second = tmp_path / "rtest-lead-synthesize-g1-s0-e1", tmp_path / "rtest-lead-synthesize-g1-s0-e2"
    with chat_server(lambda n, b: by_rules(n, b) if n < 60 else Say(status=503)) as server:
        monkeypatch.setenv("LEGALONE_TEACHER_URL", server.url)
        job = synthesize_job(chain, first)
        assert run_stage(job) == 69
        result = result_of(job)
        assert result["reason"] == "endpoint_unavailable"
        assert "HTTP 503" in result["message"]
        assert set(server.keys) == {"Bearer a-secret-key"}
    with chat_server(by_rules) as server:
        monkeypatch.setenv("LEGALONE_TEACHER_URL", server.url)
        job = synthesize_job(chain, second)
        assert run_stage(job) == 0
        prompts = sum(1 for _ in jsonl.read(chain["prompts"] / "prompts.jsonl"))
        assert len(server.requests) == 5 * prompts - 60
    report = json.loads((second / "output" / "trajectories" / "report.json").read_text())
    assert report["model"]["cached"] == 60
    assert report["model"]["name"] == "Qwen3-235B-A22B-Thinking-2507"
    assert report["model"]["stand_in"] is False
    everything = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"a-secret-key" not in everything


def test_a_stopped_stage_leaves_its_replies_as_a_checkpoint(
    chain: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slowly(number: int, body: dict) -> Say:
        return Say(text=by_rules(number, body).text, seconds=0.05)

    with chat_server(slowly) as server:
        monkeypatch.setenv("LEGALONE_TEACHER_URL", server.url)
        job = synthesize_job(chain, tmp_path / "here")
        code = signal_when(job, signal.SIGTERM, lambda events: any(e["type"] == "progress" for e in events))
        assert code == 75
        assert result_of(job)["status"] == "stopped"
        resume = last_checkpoint(job)
        assert resume["step"] > 0
    # Another machine has the checkpoint and nothing else.
    with chat_server(by_rules) as server:
        monkeypatch.setenv("LEGALONE_TEACHER_URL", server.url)
        job = {**synthesize_job(chain, tmp_path / "elsewhere" / "attempt"), "resume": resume}
        assert run_stage(job) == 0
        prompts = sum(1 for _ in jsonl.read(chain["prompts"] / "prompts.jsonl"))
        assert len(server.requests) == 5 * prompts - resume["step"]


def test_a_teacher_that_never_fits_the_form_is_a_data_error(
    chain: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with chat_server(lambda *_: Say(text="不是 JSON")) as server:
        monkeypatch.setenv("LEGALONE_TEACHER_URL", server.url)
        job = make_job(
            "lead-refine",
            tmp_path,
            inputs={"trajectories": chain["trajectories"]},
            **{"with": {"lead": small_lead(tries=1)}},
        )
        assert run_stage(job) == 65
    assert "got no usable reply" in result_of(job)["message"]


def test_no_teacher_and_no_stand_in_is_the_users_error(chain: dict[str, Path], tmp_path: Path) -> None:
    job = synthesize_job(chain, tmp_path, stand_in="none")
    assert run_stage(job) == 64
    assert "LEGALONE_TEACHER_URL is not set" in result_of(job)["message"]


def test_a_corpus_without_cases_names_the_task(corpus: Path, tmp_path: Path) -> None:
    for split in ("train", "heldout"):
        rows = [
            row for row in jsonl.read(corpus / "documents" / split / "legal.jsonl") if "law" in row["meta"]
        ]
        jsonl.write(tmp_path / "corpus" / "documents" / split / "legal.jsonl", rows)
    inputs = {"corpus": tmp_path / "corpus"}
    job = make_job("lead-prompts", tmp_path / "job", inputs=inputs, **{"with": {"lead": small_lead()}})
    assert run_stage(job) == 65
    assert "task charge_choice: 0 prompts" in result_of(job)["message"]


def test_a_broken_line_of_an_input_is_named(chain: dict[str, Path], tmp_path: Path) -> None:
    folder = tmp_path / "trajectories"
    folder.mkdir()
    text = (chain["trajectories"] / "trajectories.jsonl").read_text()
    (folder / "trajectories.jsonl").write_text(text + "{broken\n")
    inputs = {"trajectories": folder}
    job = make_job("lead-refine", tmp_path / "job", inputs=inputs, **{"with": {"lead": small_lead()}})
    assert run_stage(job) == 65
    assert f"trajectories.jsonl:{text.count(chr(10)) + 1}: not JSON" in result_of(job)["message"]


def test_a_judge_that_is_never_content_leaves_no_sample(
    chain: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    axes = ("reasoning", "consistency", "alignment", "conciseness", "language", "overall")
    with chat_server(lambda *_: Say(text=json.dumps(dict.fromkeys(axes, 6)))) as server:
        monkeypatch.setenv("LEGALONE_JUDGE_URL", server.url)
        inputs = {name: chain[name] for name in ("refined", "corpus")}
        job = make_job("lead-judge", tmp_path, inputs=inputs, **{"with": {"lead": small_lead()}})
        assert run_stage(job) == 65
    assert "no prompt of the pool memorisation passed" in result_of(job)["message"]
