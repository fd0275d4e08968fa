"""Rollouts by a server over real HTTP."""

from pathlib import Path
from typing import Any

import pytest
from support.http_replies import http_replies
from support.tiny_model import TEXTS

from stages._worker.data.tokenizer import Tokenizer, train_tokenizer
from stages._worker.failures import EndpointUnavailable, UserError
from stages._worker.options import resolve_options
from stages.rl.pool import Prompt
from stages.rl.rewards.registry import Question
from stages.rl.server_backend import ServerBackend

PROMPTS = [
    Prompt(number=n, tokens=(40 + n, 41), question=Question(id=str(n), prompt="", reference="", meta={}))
    for n in range(3)
]


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    return train_tokenizer(TEXTS, size=300, folder=Path(tmp_path_factory.mktemp("tokenizer")))


@pytest.fixture
def backend(monkeypatch: pytest.MonkeyPatch, tokenizer: Tokenizer):
    def make(url: str, **changes: Any) -> ServerBackend:
        monkeypatch.setenv("LEGALONE_ROLLOUT_URL", f"{url}/v1")
        options = {**resolve_options("rl", {})["server"], "tries": 2, "back_off_seconds": 0.01, **changes}
        return ServerBackend(options, tokenizer=tokenizer)

    return make


def completion(*tokens: int, finish: str = "stop") -> dict[str, Any]:
    return {"choices": [{"finish_reason": finish, "logprobs": {"tokens": [f"token_id:{t}" for t in tokens]}}]}


def answers(made: ServerBackend, step: int = 3):
    return made.answer(PROMPTS, longest=4, temperature=0.8, seed=5, step=step, first_item=10)


def test_answers_come_in_the_order_of_the_prompts(backend, tokenizer: Tokenizer) -> None:
    bodies: list[dict[str, Any]] = []

    def reply(path: str, body: dict[str, Any]) -> tuple[int, Any]:
        bodies.append(body)
        assert path == "/v1/completions"
        return 200, completion(body["prompt"][0] + 100, 7)

    with http_replies(reply) as url:
        made = answers(backend(url))
    assert [rollout.tokens for rollout in made] == [
        (140 + n, 7, tokenizer.end_of_turn) for n in range(3)
    ]  # the stop token is part of a finished answer
    assert all(rollout.finished and rollout.log_probs is None for rollout in made)
    assert {body["max_tokens"] for body in bodies} == {4}
    assert len({body["seed"] for body in bodies}) == 3


def test_seeds_are_a_function_of_seed_step_and_item(backend) -> None:
    seeds: list[set[int]] = []
    for step in (3, 3, 4):
        seen: set[int] = set()

        def reply(path: str, body: dict[str, Any], seen: set[int] = seen) -> tuple[int, Any]:
            seen.add(body["seed"])
            return 200, completion(7)

        with http_replies(reply) as url:
            answers(backend(url), step)
        seeds.append(seen)
    assert seeds[0] == seeds[1]
    assert not seeds[0] & seeds[2]


def test_a_cut_answer_is_not_finished(backend) -> None:
    with http_replies(lambda path, body: (200, completion(7, 8, 9, 10, finish="length"))) as url:
        rollout = answers(backend(url))[0]
    assert rollout.tokens == (7, 8, 9, 10)
    assert not rollout.finished


def test_new_weights_are_announced_by_folder(backend, tmp_path: Path) -> None:
    seen: list[tuple[str, dict[str, Any]]] = []

    def reply(path: str, body: dict[str, Any]) -> tuple[int, Any]:
        seen.append((path, body))
        return 200, {}

    with http_replies(reply) as url:
        backend(url).load(tmp_path / "step-3")
    assert seen == [("/update_weights_from_disk", {"model_path": str(tmp_path / "step-3")})]


def test_a_server_that_stays_down_is_unavailable(backend) -> None:
    with (
        http_replies(lambda path, body: (503, {})) as url,
        pytest.raises(EndpointUnavailable, match="HTTP 503"),
    ):
        answers(backend(url))


def test_a_server_without_token_ids_is_refused(backend) -> None:
    reply = {"choices": [{"finish_reason": "stop", "logprobs": {"tokens": ["盗窃"]}}]}
    with http_replies(lambda path, body: (200, reply)) as url, pytest.raises(UserError, match="token_id"):
        answers(backend(url))
