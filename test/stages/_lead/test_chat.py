"""The client of teachers and judges against a server that fails as servers do."""

import asyncio
import json
import socket
from pathlib import Path

import pytest
from support.chat_server import ChatServer, Say, chat_server

from stages._lead.chat import ChatClient, Reply
from stages._lead.endpoint import Endpoint, endpoint_of, wants_stand_in
from stages._lead.replies import BadReply
from stages._lead.response_cache import ResponseCache
from stages._worker.failures import EndpointUnavailable, UserError

SCHEMA = {"type": "object", "required": ["mark"], "properties": {"mark": {"type": "integer"}}}


def endpoint(url: str, **changes: object) -> Endpoint:
    values: dict = {
        "role": "teacher",
        "model": "m",
        "revision": "r",
        "base_url": url,
        "api_key": "secret-key",
        "stand_in": False,
        "temperature": 0,
        "max_tokens": 64,
        "concurrency": 4,
        "timeout_seconds": 0.4,
        "tries": 3,
        "back_off_seconds": 0.01,
    }
    return Endpoint(**{**values, **changes})


def ask(
    server: ChatServer | str,
    folder: Path,
    questions: list[str],
    schema: dict | None = None,
    **changes: object,
) -> tuple[list[Reply | BaseException], dict[str, int]]:
    """All questions at once; replies or errors, and the client's counts."""

    async def go() -> tuple[list[Reply | BaseException], dict[str, int]]:
        cache = ResponseCache(folder / "responses.jsonl", [])
        url = server if isinstance(server, str) else server.url
        async with ChatClient(endpoint(url, **changes), cache) as client:
            asked = (client.ask("s", question, schema=schema) for question in questions)
            replies = await asyncio.gather(*asked, return_exceptions=True)
        cache.close()
        return replies, dict(client.counts)

    return asyncio.run(go())


@pytest.mark.parametrize(
    "failure",
    [
        Say(status=429, headers={"Retry-After": "0"}),
        Say(status=500),
        Say(status=503, body=b"upstream"),
        Say(seconds=0.8),
        Say(drop=True),
        Say(body=b"<html>gateway</html>"),
        Say(body=b'{"choices": []}'),
        Say(body=b'{"choices": [{"message": null}]}'),
        Say(text="<think>only thoughts</think>"),
    ],
    ids=["429", "500", "503", "timeout", "dropped", "html", "no choice", "no message", "empty"],
)
def test_a_passing_failure_is_tried_again(tmp_path: Path, failure: Say) -> None:
    with chat_server(lambda n, _: failure if n < 2 else Say(text="<think>hm</think>\n好。")) as server:
        (reply,), counts = ask(server, tmp_path, ["q"])
    assert isinstance(reply, Reply), reply
    assert reply.text == "好。"
    assert counts["requests"] == 3
    assert counts["repeated"] == 2


@pytest.mark.parametrize("failure", [Say(status=429), Say(status=500), Say(seconds=0.8), Say(body=b"")])
def test_a_lasting_failure_is_endpoint_unavailable(tmp_path: Path, failure: Say) -> None:
    with chat_server(lambda *_: failure) as server:
        (error,), counts = ask(server, tmp_path, ["q"])
    assert isinstance(error, EndpointUnavailable)
    assert error.exit_code == 69
    assert counts["requests"] == 3


def test_nobody_listening_is_endpoint_unavailable(tmp_path: Path) -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        (error,), _ = ask(f"http://127.0.0.1:{held.getsockname()[1]}/v1", tmp_path, ["q"])
    assert isinstance(error, EndpointUnavailable)
    assert "does not answer after 3 tries" in str(error)


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_refused_key_or_model_is_the_users(tmp_path: Path, status: int) -> None:
    with chat_server(lambda *_: Say(status=status, body=b"no")) as server:
        (error,), counts = ask(server, tmp_path, ["q"])
    assert isinstance(error, UserError)
    assert "secret-key" not in f"{error} {error.hint}"
    assert counts["requests"] == 1


def test_a_refused_request_is_lost_alone_and_not_repeated(tmp_path: Path) -> None:
    def say(_: int, body: dict) -> Say:
        return Say(status=400, body=b"too long") if "long" in body["messages"][1]["content"] else Say()

    with chat_server(say) as server:
        (bad, good), counts = ask(server, tmp_path, ["long", "short"])
    assert isinstance(bad, BadReply)
    assert isinstance(good, Reply)
    assert counts["requests"] == 2


def test_json_is_found_in_words_and_checked(tmp_path: Path) -> None:
    texts = ['分数：{"mark": "eight"}', '我想想 {"other": 1}', '```json\n{"mark": 8}\n```谢谢']
    with chat_server(lambda n, _: Say(text=texts[min(n, 2)])) as server:
        (reply,), counts = ask(server, tmp_path, ["q"], SCHEMA)
        seeds = [request.get("seed") for request in server.requests]
    assert isinstance(reply, Reply)
    assert reply.data == {"mark": 8}
    assert counts["requests"] == 3
    # Another seed each time: at temperature 0 the same request would give the same unusable reply.
    assert seeds == [None, 2, 3]


def test_json_that_never_comes_is_a_bad_reply(tmp_path: Path) -> None:
    with chat_server(lambda *_: Say(text="八分")) as server:
        (error,), _ = ask(server, tmp_path, ["q"], SCHEMA)
    assert isinstance(error, BadReply)


def test_a_reply_that_was_cut_off_says_so(tmp_path: Path) -> None:
    with chat_server(lambda *_: Say(finish="length")) as server:
        (reply,), _ = ask(server, tmp_path, ["q"])
    assert isinstance(reply, Reply)
    assert reply.truncated


def test_the_limit_of_requests_at_a_time_holds(tmp_path: Path) -> None:
    with chat_server(lambda *_: Say(seconds=0.03)) as server:
        replies, counts = ask(server, tmp_path, [f"q{n}" for n in range(24)], timeout_seconds=5)
    assert all(isinstance(reply, Reply) for reply in replies)
    assert server.most_at_once == 4
    assert counts["prompt_tokens"] == 24 * 7
    assert counts["completion_tokens"] == 24 * 3


def test_what_was_answered_is_not_asked_again(tmp_path: Path) -> None:
    with chat_server(lambda *_: Say()) as server:
        ask(server, tmp_path, ["a", "b"])
        replies, counts = ask(server, tmp_path, ["a", "b", "c"])
    assert all(isinstance(reply, Reply) for reply in replies)
    assert counts["requests"] == 1
    assert counts["cached"] == 2
    # Another revision of the model is another teacher.
    with chat_server(lambda *_: Say()) as server:
        _, counts = ask(server, tmp_path, ["a"], revision="r2")
    assert counts["requests"] == 1


def test_the_key_is_sent_and_kept_nowhere(tmp_path: Path) -> None:
    with chat_server(lambda *_: Say()) as server:
        ask(server, tmp_path, ["a"])
        assert server.keys == ["Bearer secret-key"]
    assert "secret-key" not in (tmp_path / "responses.jsonl").read_text()


def test_a_torn_line_of_the_cache_is_left_out(tmp_path: Path) -> None:
    with chat_server(lambda *_: Say()) as server:
        ask(server, tmp_path, ["a", "b"])
        path = tmp_path / "responses.jsonl"
        lines = path.read_bytes().splitlines(keepends=True)
        path.write_bytes(lines[0] + lines[1][:20] + b"\xff")
        _, counts = ask(server, tmp_path, ["a", "b"])
        assert (counts["cached"], counts["requests"]) == (1, 1)
        _, counts = ask(server, tmp_path, ["a", "b"])
        assert counts == {"cached": 2}


def test_replies_of_earlier_attempts_move_on(tmp_path: Path) -> None:
    first = ResponseCache(tmp_path / "e1.jsonl", [])
    first.put("k", {"content": "x", "finish": "stop"})
    first.close()
    second = ResponseCache(tmp_path / "e2.jsonl", [tmp_path / "e1.jsonl"])
    assert second.get("k") == {"content": "x", "finish": "stop"}
    second.close()
    assert json.loads((tmp_path / "e2.jsonl").read_text())["key"] == "k"


def test_the_environment_names_the_endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    calling = {"temperature": 0, "max_tokens": 1, "concurrency": 1, "timeout_seconds": 1, "tries": 1}
    role = {
        "model": "m",
        "revision": "r",
        "base_url_env": "LEGALONE_TEST_TEACHER_URL",
        "api_key_env": "LEGALONE_TEST_TEACHER_KEY",
        "stand_in": "scripted",
        "back_off_seconds": 0,
        **calling,
    }
    config = {"teacher": role}
    assert wants_stand_in(config, "teacher")
    with pytest.raises(UserError, match="LEGALONE_TEST_TEACHER_URL"):
        endpoint_of(config, "teacher")
    monkeypatch.setenv("LEGALONE_TEST_TEACHER_URL", "https://host/v1/")
    monkeypatch.setenv("LEGALONE_TEST_TEACHER_KEY", "k")
    assert not wants_stand_in(config, "teacher")
    found = endpoint_of(config, "teacher")
    assert (found.base_url, found.api_key, found.model) == ("https://host/v1", "k", "m")
    assert found.describe() == {"name": "m", "revision": "r", "stand_in": False}
    monkeypatch.setenv("LEGALONE_TEST_TEACHER_URL", "host:1")
    with pytest.raises(UserError, match="expected http"):
        endpoint_of(config, "teacher")
