"""What lead-prompts can be refused for early: files of real queries, and a teacher that does not answer."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

from stages._early.problem import Problem
from stages._early.servers import look_at_endpoint
from stages._lead.config import complete_lead
from stages._worker.failures import DataError, WorkerFailure
from stages.lead_prompts.queries import addresses_of, locate_queries, read_queries

_QUERIES = 64


def look(options: dict[str, Any]) -> Iterator[Problem]:
    """The problems of the config, of the first lines of its queries, and of its teacher."""
    config = complete_lead(options["lead"])
    for task, address in addresses_of(config).items():
        try:
            files = locate_queries(task, address)
        except WorkerFailure as error:
            yield Problem(message=str(error), hint=error.hint, address=address)
            continue
        for file in files:
            try:
                list(islice(read_queries(file), _QUERIES))
            except DataError as error:
                yield Problem(message=f"queries of {task}: {error}", hint=error.hint)
            except UnicodeDecodeError as error:
                yield Problem(
                    message=f"queries of {task}: {file.name}: byte {error.start} is no UTF-8",
                    expected="UTF-8",
                )
    yield from look_at_endpoint(config, "teacher")
