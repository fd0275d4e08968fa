"""The one client of teachers and judges: OpenAI-compatible chat completions, patient and counted."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import httpx
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_attempt

from stages._lead.endpoint import Endpoint
from stages._lead.replies import BadReply, answer_text, read_json
from stages._lead.response_cache import ResponseCache, request_key
from stages._worker.failures import EndpointUnavailable, UserError

_LONGEST_PAUSE_SECONDS = 120.0
_PASSING_STATUS = {408, 409, 425, 429, 500, 502, 503, 504, 520, 522, 524, 529}


@dataclass(kw_only=True, slots=True, frozen=True)
class Reply:
    """A checked reply: its text, the JSON object in it when one was asked for, and whether it was cut off."""

    text: str
    data: dict[str, Any] = field(default_factory=dict)
    truncated: bool = False


class _Passing(Exception):
    """A failure that a later try may not see. `pause`: seconds the server asked to wait."""

    def __init__(self, message: str, pause: float | None = None) -> None:
        super().__init__(message)
        self.pause = pause


class ChatClient:
    """Asks one endpoint. Use as an async context manager.

    `counts` holds requests, replies from the cache, repeated tries and the tokens the server counted.
    """

    def __init__(self, endpoint: Endpoint, cache: ResponseCache) -> None:
        self.endpoint = endpoint
        self.counts: Counter[str] = Counter()
        self._cache = cache
        self._gate = asyncio.Semaphore(endpoint.concurrency)
        headers = {} if endpoint.api_key is None else {"Authorization": f"Bearer {endpoint.api_key}"}
        self._http = httpx.AsyncClient(
            headers=headers,
            timeout=httpx.Timeout(endpoint.timeout_seconds, connect=min(10.0, endpoint.timeout_seconds)),
            limits=httpx.Limits(max_connections=endpoint.concurrency),
            # A proxy of the environment is not meant for the stand-in on this machine.
            trust_env=not endpoint.stand_in,
        )

    async def __aenter__(self) -> ChatClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def ask(self, system: str, user: str, *, schema: dict[str, Any] | None = None) -> Reply:
        """One question. With `schema` the reply must hold a JSON object of that form.

        Raises BadReply when the last try still gave an unusable reply or the server refused this request,
        EndpointUnavailable when the server cannot be reached or stays busy, UserError when it refuses the key
        or does not know the model.
        """
        body = {
            "model": self.endpoint.model,
            "messages": [{"role": "system", "content": system}, {"role": "user", "content": user}],
            "temperature": self.endpoint.temperature,
            "max_tokens": self.endpoint.max_tokens,
        }
        key = request_key(self.endpoint.model, self.endpoint.revision, body)
        known = self._cache.get(key)
        if known is not None:
            self.counts["cached"] += 1
            return self._check(known, schema)
        async with self._gate:
            retrying = AsyncRetrying(
                stop=stop_after_attempt(self.endpoint.tries),
                wait=self._pause,
                retry=retry_if_exception(_may_pass),
                reraise=True,
            )
            try:
                async for attempt in retrying:
                    with attempt:
                        number = attempt.retry_state.attempt_number
                        raw = await self._post(body if number == 1 else {**body, "seed": number})
                        reply = self._check(raw, schema)
            except _Passing as error:
                raise EndpointUnavailable(
                    f"{self.endpoint.role} {self.endpoint.model} does not answer after "
                    f"{self.endpoint.tries} tries: {error}",
                    hint="start or mend the server; replies received so far are kept",
                ) from error
        self._cache.put(key, raw)
        return reply

    def _check(self, raw: dict[str, Any], schema: dict[str, Any] | None) -> Reply:
        text = answer_text(raw["content"])
        truncated = raw["finish"] == "length"
        if schema is None:
            return Reply(text=text, truncated=truncated)
        return Reply(text=text, data=read_json(text, schema), truncated=truncated)

    async def _post(self, body: dict[str, Any]) -> dict[str, Any]:
        self.counts["requests"] += 1
        try:
            response = await self._http.post(f"{self.endpoint.base_url}/chat/completions", json=body)
        except httpx.TimeoutException as error:
            seconds = f"{self.endpoint.timeout_seconds:g}"
            raise _Passing(f"no reply within {seconds} s ({type(error).__name__})") from error
        except httpx.TransportError as error:
            raise _Passing(f"{type(error).__name__}: {error}") from error
        if response.status_code != 200:
            raise self._refusal(response)
        return self._read(response)

    def _read(self, response: httpx.Response) -> dict[str, Any]:
        try:
            value = response.json()
            choice = value["choices"][0]
            content = choice["message"]["content"] or ""
            usage = value.get("usage") or {}
            self.counts["prompt_tokens"] += int(usage.get("prompt_tokens") or 0)
            self.counts["completion_tokens"] += int(usage.get("completion_tokens") or 0)
            return {"content": str(content), "finish": choice.get("finish_reason")}
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise _Passing(f"the body is no chat completion ({type(error).__name__}: {error})") from error

    def _refusal(self, response: httpx.Response) -> Exception:
        status, seen = response.status_code, response.text[:200]
        who = f"{self.endpoint.role} {self.endpoint.model}"
        if status in _PASSING_STATUS:
            return _Passing(f"HTTP {status}: {seen}", _retry_after(response))
        if status in (401, 403):
            return UserError(
                f"{who} refuses the key: HTTP {status}", hint="check the variable of api_key_env"
            )
        if status == 404:
            return UserError(
                f"{who}: HTTP 404 at {response.url.path}: {seen}",
                hint="the base URL ends with /v1; the model is named as the server names it",
            )
        return _Refused(f"HTTP {status}: {seen}")

    def _pause(self, state: RetryCallState) -> float:
        self.counts["repeated"] += 1
        error = state.outcome.exception() if state.outcome else None
        asked = getattr(error, "pause", None)
        doubled = self.endpoint.back_off_seconds * 2 ** (state.attempt_number - 1)
        return min(_LONGEST_PAUSE_SECONDS, doubled if asked is None else max(asked, 0.0))


class _Refused(BadReply):
    """The server refuses this one request, for example because the prompt is too long."""


def _may_pass(error: BaseException) -> bool:
    return isinstance(error, (_Passing, BadReply)) and not isinstance(error, _Refused)


def _retry_after(response: httpx.Response) -> float | None:
    try:
        return float(response.headers["Retry-After"])
    except (KeyError, ValueError):
        return None
