"""msrun as a child of the stage: its log becomes events, its saves checkpoints, its end a reason."""

from __future__ import annotations

from pathlib import Path

from stages._worker.failures import NumericError, Stopped, WorkerFailure
from stages._worker.worker import Worker
from stages.midtrain.mindformers.checkpoints.commits import Commits
from stages.midtrain.mindformers.children.child import NO_PROGRAM, child
from stages.midtrain.mindformers.children.tailed_log import TailedLog
from stages.midtrain.mindformers.endings import failure_of
from stages.midtrain.mindformers.layout import Layout
from stages.midtrain.mindformers.log_lines import StepLine, read_samples, read_step

POLL_SECONDS = 1.0
GRACE_SECONDS = 60.0
"""After SIGTERM, until msrun is killed."""


class StepReports:
    """Steps of the log as metrics and progress, under the names of the native trainer. `done` steps are over."""

    def __init__(self, worker: Worker, layout: Layout, *, steps: int, every: int, done: int = 0) -> None:
        self.done = done
        self._begun = done
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
        if self.done == self._begun:
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
    commits: Commits,
    *,
    logs: Path,
    rank: int,
    steps: int,
    npus: int,
    poll: float = POLL_SECONDS,
    grace: float = GRACE_SECONDS,
) -> None:
    """Runs msrun to its end. `rank` is one of the last pipeline stage: only there a loss is real. The node has `npus`.

    Whatever ends it, every save that was whole by then is committed.
    """
    log = TailedLog(logs / f"worker_{rank}.log")
    worker.phase("compiling", "msrun")
    worker.progress(reports.done, steps, "steps")
    # From here SIGTERM has to reach the ranks: the stage leaves by itself, after them.
    worker.unsaved = True
    try:
        # MindFormers looks for the saves of all ranks where it knows that one node holds them.
        env = {"DEVICE_NUM_PER_NODE": str(npus)}
        with child(command, log=logs / "msrun.log", env=env, grace=grace) as process:
            while process.poll() is None:
                for line in log.lines():
                    reports.take(line)
                commits.look()
                if worker.wait(poll):
                    break
        for line in log.lines():
            reports.take(line)
    finally:
        try:
            commits.finish()
        finally:
            commits.close()
            worker.unsaved = False
    if worker.stopping:
        raise Stopped(
            f"stopped by SIGTERM after step {reports.done} of {steps}; msrun was stopped, "
            f"{_kept(commits.done)}"
        )
    if process.returncode == NO_PROGRAM:
        raise WorkerFailure(
            f"cannot start {command[0]}: {_last_line(logs / 'msrun.log')}",
            hint="msrun comes with MindSpore; is it on the PATH?",
        )
    if process.returncode != 0:
        raise failure_of(logs, process.returncode)
    if reports.done != steps:
        raise WorkerFailure(
            f"msrun ended well, but {log.path.name} speaks of {reports.done} of {steps} steps",
            hint=f"read the logs in {logs}",
        )
    commits.require_last()


def _kept(step: int) -> str:
    return f"the last checkpoint is that of step {step}" if step else "there is no checkpoint yet"


def _last_line(path: Path) -> str:
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    return lines[-1] if lines else "nothing was said"
