"""Many questions at once, results in the order of the items."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from stages._worker.failures import Stopped
from stages._worker.worker import Worker

Item = TypeVar("Item")
Result = TypeVar("Result")


async def map_in_order(
    items: Sequence[Item],
    work: Callable[[Item], Awaitable[Result]],
    *,
    workers: int,
    worker: Worker,
    unit: str,
) -> list[Result]:
    """`work` over all items by `workers` tasks; progress about once a second.

    The first failure, or SIGTERM (Stopped), ends all tasks; replies received by then are in the cache.
    """
    results: dict[int, Result] = {}
    queue = iter(enumerate(items))

    async def take() -> None:
        for index, item in queue:
            results[index] = await work(item)

    tasks = [asyncio.create_task(take()) for _ in range(min(workers, len(items)))]
    watch = asyncio.create_task(_watch(worker, results, len(items), unit))
    try:
        pending = {*tasks, watch}
        while any(task in pending for task in tasks):
            done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
    finally:
        for task in (*tasks, watch):
            task.cancel()
        await asyncio.gather(*tasks, watch, return_exceptions=True)
    worker.progress(len(items), len(items), unit)
    return [results[index] for index in range(len(items))]


async def _watch(worker: Worker, results: dict[int, Result], of: int, unit: str) -> None:
    beats = 0
    while True:
        await asyncio.sleep(0.2)
        if worker.stopping:
            raise Stopped(f"stopped by SIGTERM after {len(results)} of {of} {unit}")
        beats += 1
        if beats % 5 == 0:
            worker.progress(len(results), of, unit)
