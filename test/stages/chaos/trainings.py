"""The trainings that are killed: real stages on a model that trains in seconds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from support.jobs import make_job
from support.order import write_order
from support.tiny_config import MODEL
from support.tiny_corpus import tiny_corpus
from support.tiny_model import tiny_model_folder
from support.tiny_packed import tiny_packed
from support.tiny_samples import tiny_samples

from stages._worker.model.folder import read_config
from stages._worker.training.schedule import Schedule

MakeJob = Callable[..., dict[str, Any]]
"""(folder, **fields of the job) -> the job of one attempt."""

HELDOUT = {"documents": 6, "tokens": 16, "batch": 6}
STEPS = 60
SCHEDULE = {"warmup": 5, "decay": 10, "max": 1e-2, "min": 1e-3}
RATES = [Schedule(steps=STEPS, **SCHEDULE).learning_rate(step) for step in range(STEPS)]
GATE = {"min_steps": 4, "max_steps": 4, "window": 2}
LEVEL = {"longest_answer": 12, "overlong_buffer": 2, "gate": GATE}
RL = {
    "levels": [
        {"name": "memorisation", "pool": "memorisation", "reward": "rouge-l", **LEVEL},
        {"name": "choice", "pool": "choice", "reward": "choice", **LEVEL},
    ],
    "groups": 2,
    "group": 4,
    "max_draws": 2,
    "updates": 2,
    "temperature": 1.3,
    "longest_prompt": 48,
    "schedule": {"max": 1e-2, "warmup": 2},
    "probes": {"prompts": 2, "heldout": 2, "samples": 2},
    "heldout": HELDOUT,
}
SFT = {
    "steps": STEPS,
    "batch": 4,
    "length": 64,
    "mix": [{"task": "statute_recitation", "share": 0.6}, {"task": "charge_choice", "share": 0.4}],
    "schedule": SCHEDULE,
    "checks": {"samples": 4, "prompts": 4, "longest_prompt": 48, "longest_answer": 8, "batch": 4},
    "heldout": HELDOUT,
}
MIDTRAIN = {"steps": STEPS, "batch": 4, "schedule": SCHEDULE, "heldout": HELDOUT, "log_every": 4}
BASE = {
    **{"steps": STEPS, "batch": 4, "sequence_length": 32, "tokenizer_characters": 20_000, "log_every": 4},
    **{"schedule": SCHEDULE, "heldout": HELDOUT},
}
OPTIONS: dict[str, dict[str, Any]] = {"base": BASE, "midtrain": MIDTRAIN, "sft": SFT, "rl": RL}
EVERY = {"base": 8, "midtrain": 8, "sft": 8, "rl": 2}


def make_training(kind: str, root: Path) -> MakeJob:
    """Makes the inputs of a kind below `root`; what it returns makes the job of any attempt."""
    inputs = {"corpus": tiny_corpus(root / "corpus", documents=120 if kind == "base" else 40)}
    if kind != "base":
        inputs["model"] = tiny_model_folder(root / "model", size=300)
    if kind == "midtrain":
        inputs["packed"] = tiny_packed(root / "packed", vocabulary=read_config(inputs["model"]).vocab_size)
    if kind in ("sft", "rl"):
        inputs["samples"] = tiny_samples(root / "samples")

    def job(folder: Path, **fields: Any) -> dict[str, Any]:
        if kind == "midtrain":
            write_order(folder / "order", inputs["packed"], batch=4, rates=RATES)
        checkpoint = {"every": EVERY[kind], "keep": 2}
        given = {"with": OPTIONS[kind], "model": MODEL if kind == "base" else None, "checkpoint": checkpoint}
        return make_job(kind, folder, inputs=inputs, **{**given, **fields})

    return job
