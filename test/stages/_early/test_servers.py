"""What the early look says of teachers, judges and rollout servers: real ones on the loopback interface."""

from __future__ import annotations

import json
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from support.early import look_early, sentences

from stages._early import servers

MODEL = "Qwen3-235B-A22B-Thinking-2507"
JUDGED = {"kind": "lead-judge", "with": {"lead": "demo"}}
TAUGHT = {"kind": "lead-refine", "with": {"lead": "demo"}}
KEY = "sk-of-the-teacher"


@contextmanager
def server(
    status: int, body: bytes, context: ssl.SSLContext | None = None
) -> Iterator[tuple[str, list[str]]]:
    """Base URL of a server that answers so, and the requests it saw."""
    seen: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(f"{self.path} {self.headers.get('Authorization')}")
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if context is not None:
        http.socket = context.wrap_socket(http.socket, server_side=True)
    threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield f"{'http' if context is None else 'https'}://127.0.0.1:{http.server_address[1]}/v1", seen
    finally:
        http.shutdown()
        http.server_close()


def models(*names: str) -> bytes:
    return json.dumps({"object": "list", "data": [{"id": name} for name in names]}).encode()


@pytest.fixture
def teacher(monkeypatch: pytest.MonkeyPatch):
    """Looks at the demo's stages with the teacher's variable set."""

    def look(url: str, key: str | None = None) -> list[str]:
        monkeypatch.setenv("LEGALONE_TEACHER_URL", url)
        if key is not None:
            monkeypatch.setenv("LEGALONE_TEACHER_KEY", key)
        found = look_early(TAUGHT)
        assert {each["about"] for each in found} <= {"server"}
        told = sentences(found)
        for secret in (url, url.split("/")[2], url.split(":")[2].split("/")[0], KEY):
            assert not any(secret in one for one in told)
        return told

    return look


def test_a_server_that_has_the_model_is_let_through_and_asked_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with server(200, models("other", MODEL)) as (url, seen):
        for name in ("TEACHER", "JUDGE"):
            monkeypatch.setenv(f"LEGALONE_{name}_URL", f"{url}/")
            monkeypatch.setenv(f"LEGALONE_{name}_KEY", KEY)
        prompts = {"kind": "lead-prompts", "with": {"lead": "demo"}}
        assert look_early(prompts, TAUGHT, JUDGED) == []
        assert seen == [f"/v1/models Bearer {KEY}"]


def test_nothing_is_asked_where_no_variable_is_set() -> None:
    assert look_early(TAUGHT, JUDGED, {"kind": "rl", "with": {}}, {"kind": "synthetic", "with": {}}) == []


def test_a_list_without_the_model_names_those_it_has(teacher) -> None:
    with server(200, models("Qwen3-235B-A22B", "bge-m3")) as (url, _):
        assert teacher(url) == [
            f"the teacher at LEGALONE_TEACHER_URL: it has no model {MODEL}; one of Qwen3-235B-A22B, bge-m3; "
            "did you mean Qwen3-235B-A22B?"
        ]


@pytest.mark.parametrize(
    ("status", "body", "says"),
    [
        (
            401,
            b"the key sk-of-the-teacher is wrong",
            "it refuses the key: HTTP 401; LEGALONE_TEACHER_KEY is set; is it",
        ),
        (
            403,
            b"",
            "it refuses the key: HTTP 403; LEGALONE_TEACHER_KEY is set; is it the key of this server?",
        ),
        (
            404,
            b"{}",
            "HTTP 404 to GET …/models; a list of models, as OpenAI's; the base URL of an OpenAI-compatible",
        ),
        (200, b"<html>", "its answer to GET …/models is no list of models"),
        (200, b'{"data": 3}', "its answer to GET …/models is no list of models"),
        (200, b"[1]", "its answer to GET …/models is no list of models"),
    ],
)
def test_another_answer_is_told_without_what_it_says(teacher, status: int, body: bytes, says: str) -> None:
    with server(status, body) as (url, _):
        (found,) = teacher(url, KEY)
        assert found.startswith(f"the teacher at LEGALONE_TEACHER_URL: {says}")


def test_a_missing_key_is_told(teacher) -> None:
    with server(401, b"") as (url, _):
        (found,) = teacher(url)
        assert found.endswith("it refuses the key: HTTP 401; LEGALONE_TEACHER_KEY is not set")


def test_nobody_there(teacher) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    assert teacher(f"http://127.0.0.1:{port}/v1") == [
        "the teacher at LEGALONE_TEACHER_URL: nobody listens there (connection refused); start or mend it, or set "
        "LEGALONE_TEACHER_URL to another (…/v1)"
    ]


def test_one_that_says_nothing_is_waited_for_no_longer_than_it_is_worth(
    teacher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(servers, "_SECONDS", 0.2)
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        (found,) = teacher(f"http://127.0.0.1:{mute.getsockname()[1]}/v1")
        assert "the teacher at LEGALONE_TEACHER_URL: no answer within" in found


def test_one_without_tls(teacher) -> None:
    with server(200, models(MODEL)) as (url, _):
        (found,) = teacher(url.replace("http:", "https:"))
        assert "no TLS with it: " in found and found.endswith("; is it http:// in place of https://?")


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificate")
def test_one_whose_certificate_nobody_trusts(teacher, tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    words = [
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-subj",
        "/CN=elsewhere",
    ]
    made = ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run(["openssl", *words, *made], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with server(200, models(MODEL), context) as (url, _):
        (found,) = teacher(url)
        assert "its certificate is not trusted: self" in found


def test_no_address_is_the_jobs_own_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEGALONE_TEACHER_URL", "10.0.0.1:8000")
    (found,) = look_early(TAUGHT)
    assert found["about"] == "input"
    assert found["message"] == "LEGALONE_TEACHER_URL holds no address: expected http:// or https://…"


def test_a_judge_of_rubrics_and_a_rollout_server_are_asked_where_rl_needs_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with server(200, models("other")) as (url, _):
        for name in ("JUDGE", "ROLLOUT"):
            monkeypatch.setenv(f"LEGALONE_{name}_URL", url)
        found = sentences(look_early({"kind": "rl", "with": {"backend": "server"}}))
        assert [one.split(";")[0] for one in found] == [
            "the judge at LEGALONE_JUDGE_URL: it has no model Qwen3-235B-A22B-Thinking",
            "the rollout server at LEGALONE_ROLLOUT_URL: it has no model policy",
        ]
        gate = {"min_steps": 1, "max_steps": 2}
        level = {"name": "a", "task": "a", "reward": "choice", "longest_answer": 8, "gate": gate}
        assert look_early({"kind": "rl", "with": {"levels": [level]}}) == []
        bare = {**level, "reward": "rubric"}
        (lacks, _) = sentences(look_early({"kind": "rl", "with": {"levels": [bare]}}))
        assert lacks.startswith("the level a has the reward rubric and no rubric")
