"""The scripted teacher: a real server that leaves with the process that started it."""

import os
import signal
import subprocess
import sys

import httpx
import pytest
from support.processes import wait_until

from stages._lead import sections
from stages._lead.scripted.answers import answer
from stages._lead.scripted.choices import choose, options_of
from stages._lead.scripted.marks import AXES, faithful_marks, marks
from stages._lead.scripted.retold import retell
from stages._lead.stand_in import scripted_server
from stages._worker.locations import CHECKOUT

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
