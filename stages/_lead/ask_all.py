"""One question a row to the teacher or judge of a config."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from stages._lead.chat import ChatClient
from stages._lead.fan_out import map_in_order
from stages._lead.session import open_client
from stages._worker.job import Job
from stages._worker.worker import Worker

Item = TypeVar("Item")
Result = TypeVar("Result")


def ask_all(
    config: dict[str, Any],
    role: str,
    rows: Sequence[Item],
    ask: Callable[[ChatClient, Item], Awaitable[Result]],
    *,
    job: Job,
    worker: Worker,
    unit: str,
) -> tuple[list[Result], dict[str, Any]]:
    """Results in the order of the rows, and who answered: the endpoint's description with the client's counts.

    As many at once as the endpoint allows; raises what `open_client` and `map_in_order` raise.
    """

    # In the phase it is in: the synthetic stage calls it training, and has said what it asks for.
    if worker.current_phase != "training":
        worker.phase(worker.current_phase or "loading", f"asking the {role} about {len(rows):,} {unit}")

    async def all_rows() -> tuple[list[Result], dict[str, Any]]:
        async with open_client(config, role, job, worker) as client:
            results = await map_in_order(
                rows,
                lambda row: ask(client, row),
                workers=client.endpoint.concurrency,
                worker=worker,
                unit=unit,
            )
            return results, {**client.endpoint.describe(), **client.counts}

    return asyncio.run(all_rows())
