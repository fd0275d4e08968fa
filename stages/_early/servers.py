"""Whether a server of models answers, and has the model that will be asked for: one GET of its list.

No message holds a piece of the address or the key: both are values of variables, which it names.
"""

from __future__ import annotations

import os
import socket
import ssl
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYet
from difflib import get_close_matches
from typing import Any

from stages._early.problem import Problem
from stages._lead.endpoint import endpoint_of

_SECONDS = 3.0
_LONGEST_LIST = 1 << 22

_asked: dict[tuple[str, str | None], Future[list[str] | Problem]] = {}
_lock = threading.Lock()


def look_at_endpoint(config: dict[str, Any], role: str) -> Iterator[Problem]:
    """The problems of the teacher or judge of a config, where its variable is set; no stand-in is asked."""
    settings = config[role]
    if os.environ.get(settings["base_url_env"]):
        endpoint = endpoint_of(config, role)
        yield from look_at_server(role, settings, endpoint.base_url, endpoint.api_key, endpoint.model)


def look_at_server(
    role: str, settings: dict[str, Any], base: str, key: str | None, model: str
) -> Iterator[Problem]:
    """The problem of a server, if it has one. `settings` names the variables of its address and key."""
    variable = settings["base_url_env"]
    who = f"the {role} at {variable}"
    found = _models_at(base, key)
    if isinstance(found, Problem):
        hint = found.hint
        if hint is None:
            hint = f"start or mend it, or set {variable} to another (…/v1)"
        elif hint == _KEY:
            hint = (
                f"{settings['api_key_env']} is {'set; is it the key of this server?' if key else 'not set'}"
            )
        yield Problem(message=f"{who}: {found.message}", expected=found.expected, hint=hint, about="server")
    elif model not in found:
        near = get_close_matches(model, found, n=1)
        more = f" and {len(found) - 12} more" if len(found) > 12 else ""
        yield Problem(
            message=f"{who}: it has no model {model}",
            expected=f"one of {', '.join(name[:80] for name in found[:12]) or 'none'}{more}",
            hint=f"did you mean {near[0]}?"
            if near
            else f"name the model as the server does, or set {variable}",
            about="server",
        )


_KEY = "key"


def _models_at(base: str, key: str | None) -> list[str] | Problem:
    """Names of the models of a server, or what is wrong with it. Asked once, for however many stages use it."""
    with _lock:
        answer = _asked.get((base, key))
        if answer is None:
            answer = _asked[base, key] = Future()
            # In a thread of its own: a name is looked up for as long as the system likes.
            threading.Thread(target=_ask, args=(base, key, answer), daemon=True).start()
    try:
        return answer.result(timeout=_SECONDS)
    except NotYet:
        return _SILENT


_SILENT = Problem(message=f"no answer within {_SECONDS:g} s")


def _ask(base: str, key: str | None, answer: Future[list[str] | Problem]) -> None:
    # Only where there is a server to ask; the same client as the stages', for the same certificates and proxies.
    import httpx

    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    try:
        with (
            httpx.Client(headers=headers, timeout=_SECONDS) as client,
            client.stream("GET", f"{base}/models") as response,
        ):
            body = b""
            for part in response.iter_bytes():
                body += part
                if len(body) > _LONGEST_LIST:
                    break
        answer.set_result(_read(response.status_code, body))
    except Exception as error:
        answer.set_result(_failure(error))


def _read(status: int, body: bytes) -> list[str] | Problem:
    import json

    if status in (401, 403):
        return Problem(message=f"it refuses the key: HTTP {status}", hint=_KEY)
    if status != 200:
        return Problem(
            message=f"HTTP {status} to GET …/models", expected="a list of models, as OpenAI's", hint=_V1
        )
    try:
        return [str(model["id"]) for model in json.loads(body)["data"]]
    except (ValueError, LookupError, TypeError):
        return Problem(
            message="its answer to GET …/models is no list of models",
            expected='{"data": [{"id": …}]}',
            hint=_V1,
        )


_V1 = "the base URL of an OpenAI-compatible server ends with /v1"


def _failure(error: BaseException) -> Problem:
    import httpx

    causes: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in causes:
        causes.append(cause)
        cause = cause.__cause__ or cause.__context__
    for one in causes:
        if isinstance(one, socket.gaierror):
            return Problem(message="its name is not known here")
        if isinstance(one, ssl.SSLCertVerificationError):
            # Of another host the text would say its name.
            why = "it is of another host" if one.verify_code == 62 else one.verify_message
            return Problem(
                message=f"its certificate is not trusted: {why}",
                hint="SSL_CERT_FILE names further authorities",
            )
        if isinstance(one, ssl.SSLError):
            return Problem(
                message=f"no TLS with it: {one.reason or 'broken off'}",
                hint="is it http:// in place of https://?",
            )
        if isinstance(one, ConnectionRefusedError):
            return Problem(message="nobody listens there (connection refused)")
        if isinstance(one, httpx.TimeoutException):
            return _SILENT
        if isinstance(one, OSError) and one.strerror and one.errno:
            return Problem(message=f"it cannot be reached: {one.strerror}")
    return Problem(message=f"no answer of HTTP came from it ({type(error).__name__})")
