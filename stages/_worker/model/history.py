"""What a model folder says of how it was made (legalone.json): the stages, first to last."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from stages._worker.job import Job
from stages._worker.protocol import versions


def model_facts(job: Job, base: Path, metrics: dict[str, float], **more: Any) -> dict[str, Any]:
    """Facts of the model that this stage makes from `base`; what made that one stays in its history."""
    step = {
        "stage": job.stage,
        "kind": job.kind,
        "seed": job.seed,
        "options": job.options,
        "metrics": metrics,
        "parents": [{"kind": item.kind, "stage": item.stage, "sha256": item.sha256} for item in job.inputs],
        "versions": versions(),
        **more,
    }
    return {**step, "history": [*history_of(base), step]}


def history_of(folder: Path) -> list[dict[str, Any]]:
    """The stages that made a model, first to last; none for a model from outside."""
    path = folder / "legalone.json"
    return json.loads(path.read_text(encoding="utf-8")).get("history", []) if path.is_file() else []
