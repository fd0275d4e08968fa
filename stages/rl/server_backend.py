"""Rollouts by an OpenAI-compatible server beside the learner (vLLM, SGLang): token ids in, token ids out."""

import os
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
from tenacity import RetryError, Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential

from stages._worker.data.tokenizer import Tokenizer
from stages._worker.failures import EndpointUnavailable, UserError
from stages.rl.pool import Prompt
from stages.rl.rollout import Rollout


class _Passing(Exception):
    """A failure that a later try may not see."""


def server_address(options: dict[str, Any]) -> tuple[str, str | None]:
    """Base URL and key of `with.server`, from the environment; UserError where there is no address."""
    base = os.environ.get(options["base_url_env"], "")
    if not base.startswith(("http://", "https://")):
        raise UserError(
            f"with.backend is server, but {options['base_url_env']} holds no http(s) address",
            hint="set it to the base URL of the rollout server (…/v1)",
        )
    return base.rstrip("/"), os.environ.get(options["api_key_env"]) or None


class ServerBackend:
    """Asks `<base>/completions` and tells the server to load new weights after every update.

    Log-probabilities of servers differ in what temperature they are at, so the learner computes its own.
    """

    needs_weights = True

    def __init__(self, options: dict[str, Any], *, tokenizer: Tokenizer) -> None:
        self._base, key = server_address(options)
        self._options = options
        self._stop = tokenizer.end_of_turn
        self._http = httpx.Client(
            timeout=options["timeout_seconds"], headers={"Authorization": f"Bearer {key}"} if key else {}
        )
        self._threads = ThreadPoolExecutor(options["concurrency"])

    def answer(
        self,
        prompts: list[Prompt],
        *,
        longest: int,
        temperature: float,
        seed: int,
        step: int,
        first_item: int,
    ) -> list[Rollout]:
        """Answers in the order of the prompts; item i has a seed of its own, made of (seed, step, item)."""

        def ask(place: int) -> Rollout:
            body = {
                "model": self._options["model"],
                "prompt": list(prompts[place].tokens),
                "max_tokens": longest,
                "temperature": temperature,
                "seed": zlib.crc32(f"{seed}:{step}:{first_item + place}".encode()) & 0x7FFFFFFF,
                "stop_token_ids": [self._stop],
                "logprobs": 0,
                "return_tokens_as_token_ids": True,
            }
            choice = self._post(f"{self._base}/completions", body)["choices"][0]
            return self._read(choice, longest)

        return list(self._threads.map(ask, range(len(prompts))))

    def load(self, folder: Path) -> None:
        """Posts the server's own request to load weights; `{folder}` in its body is the folder."""
        reload = self._options["reload"]
        body = {
            name: value.replace("{folder}", str(folder)) if isinstance(value, str) else value
            for name, value in reload["body"].items()
        }
        self._post(f"{self._base.removesuffix('/v1')}{reload['path']}", body)

    def _read(self, choice: dict[str, Any], longest: int) -> Rollout:
        names = (choice.get("logprobs") or {}).get("tokens") or []
        try:
            tokens = [int(name.removeprefix("token_id:")) for name in names]
        except ValueError as error:
            raise UserError(
                f"the rollout server names tokens {names[:3]}, expected token_id:<number>",
                hint="it has to support return_tokens_as_token_ids",
            ) from error
        finished = choice.get("finish_reason") == "stop"
        if finished and (not tokens or tokens[-1] != self._stop):
            tokens.append(self._stop)
        return Rollout(tokens=tuple(tokens[:longest]), log_probs=None, finished=finished)

    def _post(self, address: str, body: dict[str, Any]) -> dict[str, Any]:
        retrying = Retrying(
            stop=stop_after_attempt(self._options["tries"]),
            wait=wait_exponential(multiplier=self._options["back_off_seconds"], max=60),
            retry=retry_if_exception_type(_Passing),
        )
        try:
            return retrying(self._post_once, address, body)
        except RetryError as error:
            raise EndpointUnavailable(
                f"the rollout server does not answer after {self._options['tries']} tries: "
                f"{error.last_attempt.exception()}",
                hint="start or mend it; the last checkpoint is sound",
            ) from error

    def _post_once(self, address: str, body: dict[str, Any]) -> dict[str, Any]:
        try:
            response = self._http.post(address, json=body)
        except httpx.TransportError as error:
            raise _Passing(f"{type(error).__name__}: {error}") from error
        if response.status_code in (408, 429) or response.status_code >= 500:
            raise _Passing(f"HTTP {response.status_code}: {response.text[:200]}")
        if response.status_code != 200:
            raise UserError(f"the rollout server refuses: HTTP {response.status_code}: {response.text[:200]}")
        try:
            return response.json()
        except ValueError:
            return {}  # a reload may answer with plain text
