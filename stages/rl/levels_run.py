"""The loop over levels and steps, with probes, alarms and checkpoints."""

import time
from typing import Any

from stages._worker.data.tokenizer import Tokenizer
from stages._worker.failures import Stopped
from stages._worker.inference.heldout import interval_metrics
from stages._worker.model.qwen3 import Qwen3ForCausalLM
from stages._worker.worker import Worker
from stages.rl.alarms import Limits, Watch, forgotten, look
from stages.rl.curriculum import advance
from stages.rl.learner import Learner, StepReport
from stages.rl.level import Level
from stages.rl.probes import ProbeResult, gain_of, probe
from stages.rl.progress import Progress
from stages.rl.rollout import RolloutBackend
from stages.rl.weights_out import hand_over

_SHOWN = 2  # answers of each probe in the summary


class LevelsRun:
    """Runs what is left of the curriculum."""

    def __init__(
        self,
        worker: Worker,
        network: Qwen3ForCausalLM,
        tokenizer: Tokenizer,
        levels: list[Level],
        learner: Learner,
        backend: RolloutBackend,
        progress: Progress,
        settings: dict[str, Any],
    ) -> None:
        self.progress = progress
        self._worker = worker
        self._network = network
        self._tokenizer = tokenizer
        self._levels = levels
        self._learner = learner
        self._backend = backend
        self._settings = settings
        self._options = worker.job.options
        self._limits = Limits(**self._options["alarms"])

    def to_the_end(self) -> None:
        """Goes on to the end of the last level, or raises Stopped after SIGTERM with a checkpoint saved."""
        done = self.progress
        self._worker.phase("compiling", "the graphs of answers and of a step")
        hand_over(self._backend, self._worker, self._network, done.step)
        while done.position.level < len(self._levels):
            level = self._levels[done.position.level]
            if done.position.step == 0:
                self._probe_level(level, "before")
            self._one_step(level)
            last = done.position.level == len(self._levels)
            every = self._worker.job.checkpoint_every
            due = every is not None and (last or done.step % every == 0)
            stopping = self._worker.stopping
            if due or stopping:
                done.save(self._worker, self._network, self._learner.train_step, self._settings)
            if stopping:
                raise Stopped(f"stopped by SIGTERM after step {done.step}, checkpoint saved")
        self._worker.unsaved = False

    def _one_step(self, level: Level) -> None:
        done = self.progress
        since = time.monotonic()
        report = self._learner.step(level, step=done.step, step_in_level=done.position.step)
        if report.measures:
            hand_over(self._backend, self._worker, self._network, done.step + 1)
        done.step += 1
        done.updates = self._learner.train_step.updates
        done.learnt_from(report.prompts, draws=report.draws)
        if done.position.step == 0 or self._worker.current_phase != "training":
            self._worker.phase("training", f"level {level.name}, {len(level.pool.train):,} prompts")
        self._worker.unsaved = True
        self._log(level, report, time.monotonic() - since)
        self._look(level, report)
        done.position, ending = advance(done.position, level.gate, report.reward)
        if ending is not None:
            done.watch = Watch()
            done.metrics[f"{level.name}_steps"] = done.position.ended[-1]["steps"]
            self._probe_level(level, "after")
            self._probe_earlier(level)

    def _log(self, level: Level, report: StepReport, seconds: float) -> None:
        step = self.progress.step
        points = {
            "reward": report.reward,
            f"reward_{level.name}": report.reward,
            "length": report.length,
            "form_share": report.form_share,
            "draws": report.draws,
            "mixed_groups": report.mixed_groups,
            "clip_share": report.mean_measure(0),
            "entropy": report.mean_measure(1),
            "ratio": report.mean_measure(2),
            "replay_loss": report.mean_measure(3),
            "loss": sum(report.losses) / len(report.losses) if report.losses else None,
            "grad_norm": max(report.gradient_norms, default=None),
            "seconds_per_step": seconds,
        }
        for name, value in points.items():
            if value is not None:
                self._worker.metric(name, step, value)
        position = self.progress.position
        before = sum(record["steps"] for record in position.ended)
        ahead = sum(later.gate.max_steps for later in self._levels[position.level :])
        self._worker.progress(step, before + ahead, "steps")

    def _look(self, level: Level, report: StepReport) -> None:
        alarms = look(
            self.progress.watch,
            self._limits,
            level=level.name,
            flat=not report.measures,
            length=report.length,
            entropy=report.mean_measure(1),
            clip_share=report.mean_measure(0),
        )
        for code, message in alarms:
            self._raise_alarm(code, message)

    def _raise_alarm(self, code: str, message: str) -> None:
        self.progress.alarms.append({"step": self.progress.step, "alarm": code, "message": message})
        self._worker.warning(message, code=code)

    def _probe_level(self, level: Level, when: str) -> None:
        """Probes of the pool and held-out prompts; their rewards, and what they gained, become metrics of the stage."""
        for kind, prompts, name in (
            ("probe", level.pool.probes, "reward"),
            ("heldout", level.pool.heldout, "heldout"),
        ):
            phase = self._worker.current_phase or "compiling"
            if prompts:
                self._worker.phase(phase, f"level {level.name}, {len(prompts):,} {kind} prompts {when}")
            result = self._ask(level, kind, prompts)
            if result is None:
                continue
            metric = f"{level.name}_{name}_{when}"
            self.progress.metrics |= interval_metrics(metric, result.reward)
            self._gain(f"{level.name}_{name}", when, result)
            self._worker.metric(f"{level.name}_{name}_probe", self.progress.step, result.reward.value)
            self.progress.answers += [
                {"level": level.name, "kind": kind, "when": when, **answer}
                for answer in result.answers[:_SHOWN]
            ]

    def _gain(self, name: str, when: str, result: ProbeResult) -> None:
        """The means before a level are kept for its end; then the gain over the same prompts becomes a metric."""
        if when == "before":
            self.progress.probed[name] = result.means
            return
        before = self.progress.probed.pop(name, None)
        gain = None if before is None else gain_of(before, result.means, seed=self._worker.job.seed)
        if gain is not None:
            self.progress.metrics |= interval_metrics(f"{name}_gain", gain)

    def _probe_earlier(self, level: Level) -> None:
        """Whether the levels before are still known."""
        for earlier in self._levels[: level.number]:
            result = self._ask(earlier, "probe", earlier.pool.probes)
            after = self.progress.metrics.get(f"{earlier.name}_reward_after")
            if result is None or after is None:
                continue
            self.progress.metrics |= interval_metrics(f"{earlier.name}_reward_later", result.reward)
            alarm = forgotten(after, result.reward.value, self._limits, level=earlier.name)
            if alarm is not None:
                self._raise_alarm(*alarm)

    def _ask(self, level: Level, kind: str, prompts: tuple) -> ProbeResult | None:
        return probe(
            prompts,
            self._backend,
            level.reward,
            self._tokenizer,
            kind=kind,
            samples=self._options["probes"]["samples"],
            longest=level.longest_answer,
            temperature=self._options["temperature"],
            seed=self._worker.job.seed,
        )
