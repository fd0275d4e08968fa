"""Where a teacher or judge answers: an OpenAI-compatible server named by the environment, or the stand-in."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from stages._worker.failures import UserError


@dataclass(kw_only=True, slots=True, frozen=True)
class Endpoint:
    """One role's server and how it is called. The key is never written anywhere."""

    role: str
    """`teacher` or `judge`."""
    model: str
    revision: str
    base_url: str
    api_key: str | None
    stand_in: bool
    temperature: float
    max_tokens: int
    concurrency: int
    timeout_seconds: float
    tries: int
    back_off_seconds: float
    """First pause before a second try; it doubles with every further one."""

    def describe(self) -> dict[str, Any]:
        """What an artifact says about who answered."""
        return {"name": self.model, "revision": self.revision, "stand_in": self.stand_in}


def endpoint_of(config: dict[str, Any], role: str, *, stand_in_url: str | None = None) -> Endpoint:
    """The endpoint of a role by configs/lead: from the environment, or the stand-in at `stand_in_url`."""
    settings = config[role]
    url = stand_in_url or os.environ.get(settings["base_url_env"])
    if not url:
        raise UserError(
            f"no {role}: the environment variable {settings['base_url_env']} is not set",
            hint=f"set it to the base URL of an OpenAI-compatible server of {settings['model']} (…/v1)",
        )
    if not url.startswith(("http://", "https://")):
        raise UserError(f"{settings['base_url_env']} holds no address: expected http:// or https://…")
    scripted = stand_in_url is not None
    return Endpoint(
        role=role,
        model="scripted" if scripted else settings["model"],
        revision="1" if scripted else settings["revision"],
        base_url=url.rstrip("/"),
        api_key=None if scripted else os.environ.get(settings["api_key_env"]) or None,
        stand_in=scripted,
        **{name: settings[name] for name in _CALLING},
    )


def wants_stand_in(config: dict[str, Any], role: str) -> bool:
    """True when no server is named and the config allows the scripted one in its place."""
    settings = config[role]
    return settings["stand_in"] == "scripted" and not os.environ.get(settings["base_url_env"])


def hold_to_plan(config: dict[str, Any], role: str, stand_ins: list[str] | None) -> None:
    """UserError when this environment gives a role another answerer than the plan counted on.

    The cache key says which it is: what a stand-in wrote must never stand under the key of a model, nor the other
    way round. `stand_ins` are the variables with a stand-in by the plan, or None where no plan says anything.
    """
    settings = config[role]
    variable = settings["base_url_env"]
    if stand_ins is None or wants_stand_in(config, role) == (variable in stand_ins):
        return
    if variable in stand_ins:
        raise UserError(
            f"the plan counts on the scripted stand-in as {role}, but {variable} is set where this agent runs",
            hint=f"submit the run with {variable} set too, or start the agent without it",
        )
    raise UserError(
        f"the plan counts on {settings['model']} as {role}, but {variable} is not set where this agent runs, "
        "and a stand-in is no model",
        hint=f"start the agent with {variable} (`legalone down`, then `legalone up`), or submit the run without it",
    )


_CALLING = ("temperature", "max_tokens", "concurrency", "timeout_seconds", "tries", "back_off_seconds")
