"""The rubric reward against a judge over real HTTP."""

import json
from pathlib import Path
from typing import Any

import pytest
from support.http_replies import Answer, chat_reply, http_replies

from stages._worker.config_form import complete_config
from stages._worker.failures import EndpointUnavailable, UserError
from stages._worker.options import resolve_options
from stages._worker.yaml_file import read_yaml
from stages.rl.rewards.registry import Question, load_reward, score_replies

QUESTION = Question(id="q", prompt="张三盗窃{answer}", reference="有期徒刑一年", meta={})
RUBRIC = complete_config("rubrics", read_yaml(Path("configs/rubrics/judgment-prediction.yaml")))
MARKS = {"outcome": 10, "law": 5, "reasoning": 5, "facts": 0, "wording": 10}
# (4*10 + 2*5 + 2*5 + 0 + 10) / 10 / 10
REWARD = 0.7


def reward(folder: Path, monkeypatch: pytest.MonkeyPatch, url: str) -> Any:
    monkeypatch.setenv("LEGALONE_JUDGE_URL", f"{url}/v1")
    judge = {**resolve_options("rl", {})["judge"], "tries": 3, "back_off_seconds": 0.01, "timeout_seconds": 5}
    return load_reward({"kind": "rubric", "rubric": RUBRIC, "judge": judge, "cache": folder})


def score(folder: Path, monkeypatch: pytest.MonkeyPatch, answer: Answer, *texts: str) -> list[float | None]:
    with http_replies(answer) as url:
        replies = [f"<think>想</think>{text}" for text in texts]
        return score_replies(reward(folder, monkeypatch, url), QUESTION, replies)


def test_marks_become_a_weighted_mean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def answer(path: str, body: dict[str, Any]) -> tuple[int, Any]:
        asked.append(body["messages"][-1]["content"])
        return 200, chat_reply(f"好的。```json\n{json.dumps(MARKS)}\n```")

    assert score(tmp_path, monkeypatch, answer, "判处有期徒刑一年") == [pytest.approx(REWARD)]
    assert "待评回答：\n判处有期徒刑一年" in asked[0]
    assert "张三盗窃{answer}" in asked[0]  # a question cannot bring places of its own
    assert "0到10" in asked[0]


def test_a_broken_form_never_reaches_the_judge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with http_replies(lambda path, body: (500, {})) as url:
        assert score_replies(reward(tmp_path, monkeypatch, url), QUESTION, ["判处有期徒刑"]) == [0.0]


def test_a_judge_that_is_down_for_a_moment_costs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []

    def answer(path: str, body: dict[str, Any]) -> tuple[int, Any]:
        calls.append(1)
        return (503, {}) if len(calls) < 3 else (200, chat_reply(json.dumps(MARKS)))

    assert score(tmp_path, monkeypatch, answer, "一") == [pytest.approx(REWARD)]


def test_a_judge_that_stays_down_is_unavailable_and_not_zero(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(EndpointUnavailable):
        score(tmp_path, monkeypatch, lambda path, body: (503, {}), "一")


@pytest.mark.parametrize("text", ["很好", '{"outcome": 11}', json.dumps({**MARKS, "law": "高"})])
def test_marks_that_cannot_be_read_are_no_verdict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    assert score(tmp_path, monkeypatch, lambda path, body: (200, chat_reply(text)), "一") == [None]


def test_the_same_answer_is_judged_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []

    def answer(path: str, body: dict[str, Any]) -> tuple[int, Any]:
        calls.append(1)
        return 200, chat_reply(json.dumps(MARKS))

    assert score(tmp_path, monkeypatch, answer, "一") == score(tmp_path, monkeypatch, answer, "一")
    assert len(calls) == 1


def test_without_a_judge_the_level_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LEGALONE_JUDGE_URL", raising=False)
    with pytest.raises(UserError, match="LEGALONE_JUDGE_URL"):
        load_reward(
            {
                "kind": "rubric",
                "rubric": RUBRIC,
                "judge": resolve_options("rl", {})["judge"],
                "cache": tmp_path,
            }
        )


@pytest.mark.parametrize("folder", ["rewards", "rubrics", "eval"])
def test_every_shipped_config_fits_its_schema(folder: str) -> None:
    for path in sorted(Path("configs", folder).glob("*.yaml")):
        assert complete_config(folder, {"name": path.stem, **read_yaml(path)})["about"]


@pytest.mark.parametrize("name", ["rouge-l", "choice", "soft-f1"])
def test_every_shipped_reward_can_be_built(name: str) -> None:
    load_reward(complete_config("rewards", read_yaml(Path(f"configs/rewards/{name}.yaml"))))
