"""A chat server for tests: real HTTP on the loopback interface, with the failures of real servers."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from stages._lead.scripted.answers import answer


@dataclass(kw_only=True)
class Say:
    """One reply: a status and body, after a pause; `drop` closes the connection without any."""

    status: int = 200
    body: bytes | None = None
    text: str = "好。"
    headers: dict[str, str] = field(default_factory=dict)
    seconds: float = 0
    drop: bool = False
    finish: str = "stop"

    def bytes(self) -> bytes:
        """The body, a chat completion unless given."""
        if self.body is not None:
            return self.body
        choice = {"message": {"role": "assistant", "content": self.text}, "finish_reason": self.finish}
        usage = {"prompt_tokens": 7, "completion_tokens": 3}
        return json.dumps({"choices": [choice], "usage": usage}).encode()


@dataclass(kw_only=True)
class ChatServer:
    """What a running server saw."""

    url: str
    requests: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    most_at_once: int = 0


@contextmanager
def chat_server(say: Callable[[int, dict[str, Any]], Say]) -> Iterator[ChatServer]:
    """A server that answers request number n (from 0) with body b by `say(n, b)`."""
    lock = threading.Lock()
    running = 0

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            nonlocal running
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with lock:
                number = len(server.requests)
                server.requests.append({"path": self.path, **body})
                server.keys.append(self.headers.get("Authorization"))
                running += 1
                server.most_at_once = max(server.most_at_once, running)
            reply = say(number, body)
            time.sleep(reply.seconds)
            with lock:
                running -= 1
            if reply.drop:
                self.close_connection = True
                return
            data = reply.bytes()
            self.send_response(reply.status)
            for name, value in {**reply.headers, "Content-Length": str(len(data))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: Any) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.daemon_threads = True
    server = ChatServer(url=f"http://127.0.0.1:{http.server_address[1]}/v1")
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        http.shutdown()
        http.server_close()


def by_rules(_: int, body: dict[str, Any]) -> Say:
    """What the scripted teacher would say."""
    return Say(text=answer(body["messages"][-1]["content"]))
