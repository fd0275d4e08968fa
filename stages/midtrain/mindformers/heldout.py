"""Held-out perplexities of a model folder, measured by the native scorer in a process of its own.

Between two uses of the devices a process has to end: MindSpore holds them until then. So neither the base model, before
msrun, nor the trained one, after the conversion, is scored by the stage itself.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import traceback
from pathlib import Path

from stages._worker.failures import OutOfMemory, WorkerFailure, as_failure
from stages._worker.inference.bootstrap import Interval
from stages._worker.job import parse_job, read_job
from stages._worker.jsonl import write_json
from stages._worker.locations import CHECKOUT
from stages._worker.training.ranks.outcome import COMPLETED, Outcome, read_outcomes, write_outcome
from stages._worker.worker import Worker
from stages.midtrain.mindformers.children.child import run_child

DEVICE = "LEGALONE_HELDOUT_DEVICE"
"""Where a MindFormers attempt scores: `ascend` or `cpu`; LEGALONE_DEVICE without it."""


def measure_apart(worker: Worker, model: Path, folder: Path) -> dict[str, Interval]:
    """What `HeldOut.measure` says of the model, with the options of the job. `folder` is for its log and outcome.

    Raises what ended the process: DataError for a corpus without held-out documents, OutOfMemory, Stopped.
    """
    worker.phase("loading", "measuring")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    job = folder / "job.json"
    write_json(job, worker.job.raw)
    program = [sys.executable, "-m", "stages.midtrain.mindformers.heldout"]
    log = folder / "heldout.log"
    path = os.pathsep.join(filter(None, [str(CHECKOUT), os.environ.get("PYTHONPATH")]))
    code = run_child(
        worker,
        [*program, "--job", str(job), "--model", str(model), "--outcome", str(folder)],
        log=log,
        env={"PYTHONPATH": path},
        what=f"the held-out documents of {model}",
    )
    outcome = read_outcomes(folder, 1).get(0)
    if outcome is None:
        raise WorkerFailure(f"scoring of {model} ended without a word, code {code}", hint=f"read {log}")
    if outcome.reason == OutOfMemory.reason:
        raise OutOfMemory(
            outcome.message,
            hint=f"take a smaller heldout.batch or heldout.tokens, or set {DEVICE}=cpu in `env` of the cluster file: a "
            "model that does not fit one NPU is scored on the host then",
        )
    if outcome.reason != COMPLETED:
        raise outcome.failure()
    return {name: Interval(**found) for name, found in outcome.summary.items()}


def _measure(job_file: Path, model: Path) -> Outcome:
    from stages._worker.inference.heldout import HeldOut
    from stages._worker.model.folder import load_model
    from stages._worker.training.ranks.start import start_device

    job = parse_job(read_job(job_file))
    options = job.options["heldout"]
    start_device()
    network, tokenizer = load_model(model, max_length=options["tokens"])
    found = HeldOut(network, tokenizer, job.input("corpus"), options).measure()
    intervals = {
        name: {"value": interval.value, "low": interval.low, "high": interval.high}
        for name, interval in found.items()
    }
    return Outcome(reason=COMPLETED, summary=intervals)


def main() -> None:
    """The process that scores."""
    parser = argparse.ArgumentParser(description="Scores the held-out documents of a job with a model.")
    parser.add_argument("--job", type=Path, required=True, help="job.json of the attempt")
    parser.add_argument("--model", type=Path, required=True, help="folder of the model")
    parser.add_argument("--outcome", type=Path, required=True, help="folder for what was measured")
    arguments = parser.parse_args()
    os.environ["LEGALONE_DEVICE"] = os.environ.get(DEVICE) or os.environ.get("LEGALONE_DEVICE", "cpu")
    code = 0
    try:
        outcome = _measure(arguments.job, arguments.model)
    except Exception as error:
        traceback.print_exception(error)
        failure = as_failure(error)
        outcome = Outcome(reason=failure.reason, message=str(failure), hint=failure.hint)
        code = failure.exit_code
    write_outcome(arguments.outcome, 0, outcome)
    sys.stdout.flush()
    sys.stderr.flush()
    # Threads of MindSpore may hold up or crash an orderly exit; everything is on disk by now.
    os._exit(code)


if __name__ == "__main__":
    main()
