"""What a LEAD stage opens before it asks: cache, endpoint or stand-in, client; and what it leaves behind."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from typing import Any

from stages._lead.chat import ChatClient
from stages._lead.endpoint import endpoint_of, hold_to_plan, wants_stand_in
from stages._lead.response_cache import FILE, ResponseCache
from stages._lead.stand_in import scripted_server
from stages._worker.artifacts import MANIFEST, file_sha256, write_manifest
from stages._worker.failures import Stopped
from stages._worker.job import Job
from stages._worker.worker import Worker


@asynccontextmanager
async def open_client(
    config: dict[str, Any], role: str, job: Job, worker: Worker
) -> AsyncIterator[ChatClient]:
    """A client of the teacher or judge of a config, with the replies of earlier attempts of this shard.

    A stand-in is named in a warning. On SIGTERM the replies become a checkpoint, so that the next attempt,
    wherever it runs, does not ask again.
    """
    path = job.folder / FILE
    with ExitStack() as stack:
        url = None
        hold_to_plan(config, role, job.stand_ins)
        if wants_stand_in(config, role):
            url = stack.enter_context(scripted_server())
            worker.warning(
                f"no {role} is configured ({config[role]['base_url_env']}): the scripted stand-in answers by rules; "
                "its samples show the mechanism, not the quality",
                code="stand_in",
            )
        cache = ResponseCache(path, _earlier(job))
        stack.callback(cache.close)
        worker.unsaved = True
        try:
            endpoint = endpoint_of(config, role, stand_in_url=url)
            worker.answered[role] = {"variable": config[role]["base_url_env"], **endpoint.describe()}
            async with ChatClient(endpoint, cache) as client:
                yield client
        except Stopped:
            _save(job, worker, len(cache))
            raise
        finally:
            worker.unsaved = False


def _earlier(job: Job) -> list[Any]:
    shard = f"{job.stage_id}-s{job.shard}-e*"
    siblings = [path / FILE for path in sorted(job.folder.parent.glob(shard)) if path != job.folder]
    if job.resume is None:
        return siblings
    # Replies are kept by the hash of their request: those of older checkpoints fit too, a torn line is left out.
    points = [job.resume, *(job.resume.older or ())]
    return [*(point.folder / FILE for point in points), *siblings]


def _save(job: Job, worker: Worker, count: int) -> None:
    if count == 0:
        return
    folder = job.folder / f"step-{count}"
    temporary = job.folder / f"step-{count}.tmp"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    shutil.copyfile(job.folder / FILE, temporary / FILE)
    content = write_manifest(temporary, kind="checkpoint", step=count)
    shutil.rmtree(folder, ignore_errors=True)
    temporary.rename(folder)
    worker.checkpoint(
        folder,
        step=count,
        sha256=file_sha256(folder / MANIFEST),
        size=content.bytes,
        cursor={"replies": count},
    )
