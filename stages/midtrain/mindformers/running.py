"""msrun as a child of the stage: its log becomes events, SIGTERM is passed on, its end becomes a reason."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from stages._worker.failures import NumericError, Stopped, WorkerFailure
from stages._worker.worker import Worker
from stages.midtrain.mindformers.endings import failure_of
from stages.midtrain.mindformers.layout import Layout
from stages.midtrain.mindformers.log_lines import StepLine, read_samples, read_step

POLL_SECONDS = 1.0
GRACE_SECONDS = 60.0
"""After SIGTERM, until msrun is killed."""


class TailedLog:
    """New whole lines of a file that somebody else writes, and that may not be there yet."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._offset = 0
        self._torn = b""

    def lines(self) -> Iterator[str]:
        """Lines that have ended since the last call."""
        if not self.path.is_file():
            return
        with self.path.open("rb") as file:
            file.seek(self._offset)
            data = file.read()
        self._offset += len(data)
        *whole, self._torn = (self._torn + data).split(b"\n")
        for line in whole:
            yield line.decode("utf-8", errors="replace")


class StepReports:
    """Steps of the log as metrics and progress, under the names of the native trainer."""

    def __init__(self, worker: Worker, layout: Layout, *, steps: int, every: int) -> None:
        self.done = 0
        self._worker = worker
        self._steps = steps
        self._every = every
        self._tokens = layout.global_batch * layout.sequence_length

    def take(self, line: str) -> None:
        """Reports what a line of the last pipeline stage says. NumericError for a loss that is no finite number."""
        samples = read_samples(line)
        if samples is not None and self._due(self.done):
            self._worker.metric("samples_per_second_per_npu", self.done, samples)
        step = read_step(line)
        if step is None:
            return
        if step.of != self._steps:
            raise WorkerFailure(
                f"MindFormers trains {step.of} steps, the order has {self._steps}",
                hint="another batch or data than the stage wrote into its YAML?",
            )
        if self.done == 0:
            self._worker.phase("training")
        self.done = step.step
        self._report(step)
        self._worker.progress(step.step, self._steps, "steps")

    def _report(self, step: StepLine) -> None:
        if step.overflow:
            self._worker.warning(
                f"overflow at step {step.step}: MindFormers skipped the update", code="overflow"
            )
        if (step.loss is not None and abs(step.loss) == float("inf")) or step.loss != step.loss:
            raise NumericError(
                f"step {step.step}: loss {step.loss}", hint="lower schedule.max or look at the batch"
            )
        if not self._due(step.step):
            return
        numbers = {
            "loss": step.loss,
            "lr": step.rate,
            "grad_norm": step.norm,
            "tflops_per_npu": step.teraflops,
        }
        if step.milliseconds:
            numbers["tokens_per_second"] = 1000 * self._tokens / step.milliseconds
        for name, value in numbers.items():
            if value is not None:
                self._worker.metric(name, step.step, value)

    def _due(self, step: int) -> bool:
        return step % self._every == 0 or step == self._steps


def run_msrun(
    worker: Worker,
    command: list[str],
    reports: StepReports,
    *,
    logs: Path,
    rank: int,
    steps: int,
    poll: float = POLL_SECONDS,
    grace: float = GRACE_SECONDS,
) -> None:
    """Runs msrun to its end. `rank` is one of the last pipeline stage: only there a loss is real.

    The child stays in the process group of the stage, so that who kills the stage's group kills the ranks too.
    """
    logs.mkdir(parents=True, exist_ok=True)
    log = TailedLog(logs / f"worker_{rank}.log")
    worker.phase("compiling", "msrun")
    # From here SIGTERM has to reach the ranks: the stage leaves by itself, after them.
    worker.unsaved = True
    with (logs / "msrun.log").open("wb") as out:
        try:
            process = subprocess.Popen(
                command, stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL
            )
        except OSError as error:
            raise WorkerFailure(
                f"cannot start {command[0]}: {error}", hint="msrun comes with MindSpore; is it on the PATH?"
            ) from error
    try:
        while process.poll() is None:
            for line in log.lines():
                reports.take(line)
            if worker.wait(poll):
                break
    finally:
        _stop(process, grace)
        worker.unsaved = False
    for line in log.lines():
        reports.take(line)
    if worker.stopping:
        raise Stopped(f"stopped by SIGTERM after step {reports.done} of {steps}; msrun was stopped")
    if process.returncode != 0:
        raise failure_of(logs, process.returncode)
    if reports.done != steps:
        raise WorkerFailure(
            f"msrun ended well, but {log.path.name} speaks of {reports.done} of {steps} steps",
            hint=f"read the logs in {logs}",
        )


def _stop(process: subprocess.Popen[bytes], grace: float) -> None:
    if process.poll() is not None:
        return
    process.terminate()
    deadline = time.monotonic() + grace
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=0.2)
    if process.poll() is None:
        process.kill()
        process.wait()
