"""What RL can be refused for early: levels without their rubric, and a judge or rollout server that does not answer."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from stages._early.problem import Problem
from stages._early.servers import look_at_endpoint, look_at_server


def look(options: dict[str, Any]) -> Iterator[Problem]:
    """The problems of the servers that the levels and the back end need."""
    rubrics = [level for level in options["levels"] if level["reward"]["kind"] == "rubric"]
    for level in rubrics:
        if not level["rubric"]:
            yield Problem(
                message=f"the level {level['name']} has the reward rubric and no rubric",
                expected="`rubric`, the name of a file of configs/rubrics",
            )
    if rubrics:
        yield from look_at_endpoint(options, "judge")
    server = options["server"]
    if options["backend"] == "server" and os.environ.get(server["base_url_env"]):
        # It brings the client of servers along: only where there is one.
        from stages.rl.server_backend import server_address

        base, key = server_address(server)
        yield from look_at_server("rollout server", server, base, key, server["model"])
