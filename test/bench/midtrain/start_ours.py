"""How long a mid-training stage takes from the start of its process to the first step that is over, as one line of JSON.

python start_ours.py FOLDER ROUNDS

The tiny model and the demo's options. Each round measures three ways in turn: fresh, resumed from a checkpoint, and
resumed with the compile cache filled. An attempt is killed as soon as its first step is over.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[3]
sys.path[:0] = [str(CHECKOUT), str(CHECKOUT / "test" / "stages")]

from support.jobs import last_checkpoint, make_job, start, stderr_of  # noqa: E402
from support.order import write_order  # noqa: E402
from support.tiny_corpus import tiny_corpus  # noqa: E402
from support.tiny_packed import tiny_packed  # noqa: E402
from tiny_weights import make_tiny  # noqa: E402

from stages._worker.model import device  # noqa: E402
from stages._worker.training.compile_cache import VARIABLE  # noqa: E402
from stages._worker.training.schedule import Schedule  # noqa: E402

STEPS, BATCH, LENGTH = 360, 8, 128
SCHEDULE = {"warmup": 20, "decay": 120, "max": 2e-3, "min": 2e-5}
OPTIONS = {
    "steps": STEPS,
    "batch": BATCH,
    "schedule": SCHEDULE,
    "heldout": {"documents": 150, "tokens": 96, "batch": 32},
}
FIRST_STEP = {"type": "phase", "phase": "training"}
CHECKPOINT = {"type": "checkpoint"}
PATIENCE_SECONDS = 300


def make_inputs(root: Path) -> dict[str, Path]:
    """Model, packed data and corpus."""
    device.set_up()
    (root / "model").mkdir(parents=True)
    config = make_tiny(root / "model")
    packed = tiny_packed(root / "packed", vocabulary=config.vocab_size, length=LENGTH, sequences=400)
    return {"model": root / "model", "packed": packed, "corpus": tiny_corpus(root / "corpus", documents=750)}


def attempt(
    folder: Path, inputs: dict[str, Path], until: dict[str, Any], *, resume: dict[str, Any] | None = None
) -> tuple[dict[str, Any], dict[str, float]]:
    """Starts an attempt and kills it after the event `until`: its job, and the seconds it took until then."""
    schedule = Schedule(steps=STEPS, **SCHEDULE)
    rates = [schedule.learning_rate(step) for step in range(STEPS)]
    write_order(folder / "order", inputs["packed"], batch=BATCH, rates=rates)
    checkpoint = {"every": 4, "keep": 2}
    job = make_job(
        "midtrain", folder, inputs=inputs, **{"with": OPTIONS, "resume": resume, "checkpoint": checkpoint}
    )
    begin = time.perf_counter()
    process = start(job)
    while not seen(folder / "events.jsonl", until):
        if process.poll() is not None or time.perf_counter() - begin > PATIENCE_SECONDS:
            raise RuntimeError(f"no {until} of the stage: {stderr_of(job)}")
        time.sleep(0.01)
    seconds = time.perf_counter() - begin
    process.kill()
    _, _, used = os.wait4(process.pid, 0)
    return job, {"seconds": seconds, "cpu": used.ru_utime + used.ru_stime}


def seen(events: Path, wanted: dict[str, Any]) -> bool:
    """Whether a whole line of the event file has these fields."""
    if not events.is_file():
        return False
    text = events.read_text(encoding="utf-8")
    lines = [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]
    return any(all(line.get(key) == value for key, value in wanted.items()) for line in lines)


def main(root: Path, rounds: int) -> None:
    """Prints, for each way, seconds by the clock and of CPU of every round."""
    os.environ.pop(VARIABLE, None)
    inputs = make_inputs(root / "inputs")
    job, _ = attempt(root / "before", inputs, CHECKPOINT)
    resume = last_checkpoint(job)
    cache = str(root / "cache")
    os.environ[VARIABLE] = cache
    attempt(root / "filling", inputs, FIRST_STEP)
    found: dict[str, list[dict[str, float]]] = {"fresh": [], "resumed": [], "cached": []}
    for number in range(rounds):
        for name, told in found.items():
            os.environ.pop(VARIABLE, None)
            if name == "cached":
                os.environ[VARIABLE] = cache
            given = None if name == "fresh" else resume
            told.append(attempt(root / f"{name}-{number}", inputs, FIRST_STEP, resume=given)[1])
    print(json.dumps(found))


main(Path(sys.argv[1]), int(sys.argv[2]))
