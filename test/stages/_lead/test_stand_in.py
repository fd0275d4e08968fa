"""The scripted teacher: a real server that leaves with the process that started it."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import httpx
import pytest
from support.jobs import make_job
from support.processes import wait_until

from stages._lead import sections
from stages._lead.endpoint import hold_to_plan
from stages._lead.scripted.answers import answer
from stages._lead.scripted.choices import choose, options_of
from stages._lead.scripted.marks import AXES, faithful_marks, marks
from stages._lead.scripted.retold import retell
from stages._lead.session import open_client
from stages._lead.stand_in import scripted_server
from stages._worker.events import EventFile
from stages._worker.failures import UserError
from stages._worker.job import parse_job, read_job
from stages._worker.locations import CHECKOUT
from stages._worker.worker import Worker

PROMPT = sections.write_sections(
    [
        (sections.STEP, sections.NODES["conclusion"]),
        (sections.QUESTION, "《水法》第一条规定了什么？"),
        (sections.NODES["rules"], "《水法》第一条：水资源属于国家所有，即全民所有。其余从略，以下很长很长。"),
        (sections.LIMITS, "20 20"),
    ]
)


def body(prompt: str) -> dict:
    return {"model": "scripted", "messages": [{"role": "user", "content": prompt}]}


def test_it_answers_over_http_and_ends() -> None:
    with scripted_server() as url:
        reply = httpx.post(f"{url}/chat/completions", json=body(PROMPT), trust_env=False)
        assert reply.json()["choices"][0]["message"]["content"] == "水资源属于国家所有，即全民所有。"
        assert httpx.get(f"{url}/models", trust_env=False).json()["data"][0]["id"] == "scripted"
        assert httpx.post(f"{url}/chat/completions", json=body("闲聊"), trust_env=False).status_code == 400
        assert httpx.post(f"{url}/chat/completions", content=b"{", trust_env=False).status_code == 400
        assert httpx.post(f"{url}/other", json={}, trust_env=False).status_code == 404
    with pytest.raises(httpx.TransportError):
        httpx.get(f"{url}/models", trust_env=False)


CONFIG = {
    "teacher": {"model": "big", "base_url_env": "TEST_TEACHER_URL", "stand_in": "scripted"},
    "judge": {"model": "big", "base_url_env": "TEST_JUDGE_URL", "stand_in": "none"},
}


def test_a_worker_holds_to_what_the_plan_counts_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TEST_TEACHER_URL", raising=False)
    hold_to_plan(CONFIG, "teacher", ["TEST_TEACHER_URL"])
    hold_to_plan(CONFIG, "judge", [])
    hold_to_plan(CONFIG, "teacher", None)
    with pytest.raises(UserError, match=r"counts on big as teacher, but TEST_TEACHER_URL is not set"):
        hold_to_plan(CONFIG, "teacher", [])
    monkeypatch.setenv("TEST_TEACHER_URL", "http://127.0.0.1:9/v1")
    hold_to_plan(CONFIG, "teacher", [])
    with pytest.raises(
        UserError, match=r"counts on the scripted stand-in as teacher, but TEST_TEACHER_URL is set"
    ):
        hold_to_plan(CONFIG, "teacher", ["TEST_TEACHER_URL"])


@pytest.mark.parametrize("stand_ins", [[], ["TEST_TEACHER_URL"]])
def test_the_result_tells_who_answered_and_nobody_is_asked_against_the_plan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stand_ins: list[str]
) -> None:
    monkeypatch.delenv("TEST_TEACHER_URL", raising=False)
    calling = {
        "temperature": 0,
        "max_tokens": 64,
        "concurrency": 1,
        "timeout_seconds": 5,
        "tries": 1,
        "back_off_seconds": 0.01,
    }
    config = {"teacher": {**CONFIG["teacher"], "revision": "r", "api_key_env": "TEST_KEY", **calling}}
    raw = make_job("lead-prompts", tmp_path, standIns=stand_ins)
    (tmp_path / "job.json").write_text(json.dumps(raw), encoding="utf-8")
    job = parse_job(read_job(tmp_path / "job.json"))
    worker = Worker(job, EventFile(job.events), threading.Event())

    async def go() -> None:
        async with open_client(config, "teacher", job, worker):
            pass

    try:
        if not stand_ins:
            with pytest.raises(UserError):
                asyncio.run(go())
            assert worker.answered == {}
            return
        asyncio.run(go())
        worker.finish(summary={"text": "done"})
    finally:
        worker.close()
    result = json.loads((tmp_path / "events.jsonl").read_text().splitlines()[-1])
    told = {"variable": "TEST_TEACHER_URL", "name": "scripted", "revision": "1", "stand_in": True}
    assert result["summary"] == {"text": "done", "answered": {"teacher": told}}


def test_it_leaves_when_its_stage_is_killed() -> None:
    program = (
        "import sys, time\nfrom stages._lead.stand_in import scripted_server\n"
        "with scripted_server() as url:\n    print(url, flush=True)\n    time.sleep(60)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program], cwd=CHECKOUT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    url = process.stdout.readline().strip()
    assert httpx.get(f"{url}/models", trust_env=False).status_code == 200
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    wait_until(lambda: not answers(url))


def answers(url: str) -> bool:
    try:
        httpx.get(f"{url}/models", trust_env=False)
    except httpx.TransportError:
        return False
    return True


def test_options_are_read_with_and_without_spaces() -> None:
    expected = [("A", "盗窃"), ("B", "合同诈骗"), ("C", "诈骗")]
    assert options_of("何罪？A：盗窃B：合同诈骗C：诈骗") == expected
    assert options_of("何罪？A：盗窃 B：合同诈骗 C：诈骗") == expected
    assert options_of("何罪？\nA：盗窃\nB：合同诈骗\nC：诈骗") == expected


def test_the_longest_named_option_is_chosen() -> None:
    assert choose("何罪？A：诈骗B：合同诈骗", "罪名：合同诈骗。") == ("B", "合同诈骗")


def test_a_wrong_answer_gets_marks_under_seven() -> None:
    limits = {"think": 20, "answer": 20}
    question = "何罪？A：盗窃B：诈骗"
    right = marks(question=question, think="该行为属盗窃。", answer="A", reference="A", limits=limits)
    wrong = marks(question=question, think="该行为属盗窃。", answer="B", reference="A", limits=limits)
    assert set(right) == set(AXES)
    assert min(right.values()) >= 7
    assert wrong["alignment"] < 7
    assert wrong["consistency"] < 7


def test_every_step_of_the_stages_has_a_rule() -> None:
    steps = [*sections.NODES.values(), sections.STEP_SCORE, sections.STEP_QUESTION]
    steps += [sections.STEP_INTERNALISE, sections.STEP_MERGE, sections.STEP_JUDGE]
    steps += [sections.STEP_VIEW, sections.STEP_REWRITE, sections.STEP_FAITHFUL]
    for step in steps:
        assert answer(sections.write_sections([(sections.STEP, step), (sections.QUESTION, "甲？")])), step


def test_it_tells_every_clause_again_within_the_limit() -> None:
    text = "水资源属于国家所有，由国务院管理。违者处3万元罚款。"
    told = retell([("《水法》第三条", text)], opening="以教科书的写法说", longest=200)
    assert told.startswith("以教科书的写法说《水法》第三条。")
    assert all(
        f"：{clause}。" in told for clause in ("水资源属于国家所有", "由国务院管理", "违者处3万元罚款")
    )
    assert len(retell([("", text)], opening="说", longest=30)) <= 30
    assert faithful_marks(told, text)["faithful"] == 10
    assert faithful_marks("无关", text)["faithful"] < 7
