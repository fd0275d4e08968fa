"""The scripted teacher: an OpenAI-compatible server that answers by rules from the documents in the prompt.

`python -m stages._lead.scripted.server` prints its port and serves 127.0.0.1 until standard input ends.
It stands in for a teacher and a judge in the demo and in tests; nobody should train on what it says.
"""

from __future__ import annotations

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from stages._lead.scripted.answers import answer


class Handler(BaseHTTPRequestHandler):
    """POST /v1/chat/completions and GET /v1/models."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        """The one model."""
        self._send(200, {"object": "list", "data": [{"id": "scripted", "object": "model"}]})

    def do_POST(self) -> None:
        """One chat completion; 400 for a body that is none."""
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path.rstrip("/") != "/v1/chat/completions":
            self._send(404, {"error": {"message": f"no {self.path}"}})
            return
        try:
            prompt = str(json.loads(raw)["messages"][-1]["content"])
            text = answer(prompt)
        except (ValueError, LookupError, TypeError) as error:
            self._send(400, {"error": {"message": f"{type(error).__name__}: {error}"}})
            return
        self._send(200, _completion(prompt, text))

    def log_message(self, *_: Any) -> None:
        """Says nothing."""

    def _send(self, status: int, value: dict[str, Any]) -> None:
        body = json.dumps(value, ensure_ascii=False).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self._headers_buffer.append(b"\r\n")  # one packet for head and body
        self._headers_buffer.append(body)
        self.flush_headers()


def _completion(prompt: str, text: str) -> dict[str, Any]:
    # Characters stand for tokens: the script has no tokenizer.
    usage = {"prompt_tokens": len(prompt), "completion_tokens": len(text)}
    return {
        "id": "scripted",
        "object": "chat.completion",
        "model": "scripted",
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}],
        "usage": {**usage, "total_tokens": sum(usage.values())},
    }


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


def main() -> None:
    """Serves until standard input ends."""
    server = _Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_address[1], flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
