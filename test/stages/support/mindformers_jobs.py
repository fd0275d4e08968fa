"""Jobs of midtrain that MindFormers trains: two NPUs, a pipeline of two stages, six steps of four sequences."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from support.jobs import make_job
from support.order import write_order
from support.order_index import write_order_index
from support.tiny_corpus import tiny_corpus
from support.tiny_packed import tiny_packed

from stages._worker.model.config import read_config
from stages._worker.training.schedule import Schedule

SCHEDULE = {"warmup": 2, "decay": 3, "max": 1e-3, "min": 1e-5, "shape": "linear"}
STEPS, BATCH, LENGTH = 6, 4, 32
HELDOUT = {"documents": 2, "tokens": 16, "batch": 2}


def mindformers_job(folder: Path, base: Path, *, start: int = 0, **fields: Any) -> dict[str, Any]:
    """A job with its order made. `start` is where the rows of the order begin; `with` is added to the options."""
    packed = tiny_packed(folder / "packed", vocabulary=read_config(base).vocab_size, length=LENGTH)
    options = {
        "steps": STEPS,
        "batch": BATCH,
        "log_every": 1,
        "schedule": SCHEDULE,
        "parallel": {"pipeline": 2, "micro_batches": 2},
        "heldout": HELDOUT,
    } | fields.pop("with", {})
    job = make_job(
        "midtrain",
        folder,
        inputs={"packed": packed, "model": base, "corpus": tiny_corpus(folder / "corpus", documents=20)},
        **{"resources": {"nodes": 1, "npus": 2}, "with": options} | fields,
    )
    schedule = Schedule(steps=options["steps"], **options["schedule"])
    rates = [schedule.learning_rate(step) for step in range(schedule.steps)]
    write_order(folder / "order", packed, batch=options["batch"], rates=rates, start=start)
    write_order_index(folder / "order", packed)
    return job
