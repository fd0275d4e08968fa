"""How a rank ended: one file a rank, read by the attempt that started it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from stages._worker.failures import WorkerFailure
from stages._worker.jsonl import write_json

COMPLETED = "completed"


@dataclass(kw_only=True, slots=True, frozen=True)
class Outcome:
    """`reason` is `completed` or that of a failure."""

    reason: str
    message: str = ""
    hint: str | None = None
    metrics: dict[str, float | None] = field(default_factory=dict)
    summary: dict[str, Any] = field(default_factory=dict)

    def failure(self) -> WorkerFailure:
        """The failure as the rank raised it."""
        return _class_of(self.reason)(self.message, hint=self.hint)


def write_outcome(folder: Path, rank: int, outcome: Outcome) -> None:
    """Whole or not there."""
    write_json(folder / f"outcome-{rank}.json", asdict(outcome))


def read_outcomes(folder: Path, ranks: int) -> dict[int, Outcome]:
    """Ends of the ranks that have ended by themselves so far."""
    paths = {rank: folder / f"outcome-{rank}.json" for rank in range(ranks)}
    return {
        rank: Outcome(**json.loads(path.read_text(encoding="utf-8")))
        for rank, path in paths.items()
        if path.is_file()
    }


def _class_of(reason: str) -> type[WorkerFailure]:
    known = [WorkerFailure, *WorkerFailure.__subclasses__()]
    return next(kind for kind in known if kind.reason == reason)
