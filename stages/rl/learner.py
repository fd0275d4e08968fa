"""One step of DAPO: draw groups, score them, update the weights."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from mindspore import Tensor

from stages._worker.data.replay import ReplayRow, replay_arrays
from stages._worker.data.tokenizer import Tokenizer
from stages._worker.model.qwen3 import Qwen3ForCausalLM
from stages._worker.think_form import parse_think_form
from stages._worker.training.adamw import AdamWSettings
from stages._worker.training.train_step import NextTokenLoss, TrainStep
from stages.rl.consumed import drawn_places
from stages.rl.dynamic_sampling import draw_groups
from stages.rl.experience import AnswerGroup, Shape, arrays_of, make_group, split_groups
from stages.rl.level import Level
from stages.rl.loss import AnswerLogProbs, DapoLoss, DapoLossWithReplay
from stages.rl.rewards.registry import score_replies
from stages.rl.rollout import RolloutBackend


@dataclass(kw_only=True, slots=True)
class StepReport:
    """What a step measured. Reward, length and form are of the first draw, which no selection has touched."""

    reward: float
    length: float
    form_share: float
    draws: int
    mixed_groups: int
    prompts: list[int]  # sample numbers whose groups were learnt from
    losses: list[float] = field(default_factory=list)
    gradient_norms: list[float] = field(default_factory=list)
    measures: list[np.ndarray] = field(default_factory=list)
    """[clip share, entropy, ratio] of each update, and with replay the documents' loss."""

    def mean_measure(self, place: int) -> float | None:
        """Mean of one measure over the updates; None when nothing measured it."""
        measured = [row[place] for row in self.measures if place < len(row)]
        return float(np.mean(measured)) if measured else None


class Learner:
    """Holds the update graph and its optimizer."""

    def __init__(
        self,
        network: Qwen3ForCausalLM,
        tokenizer: Tokenizer,
        backend: RolloutBackend,
        *,
        options: dict[str, Any],
        replay: Mapping[str, list[ReplayRow]],
        seed: int,
    ) -> None:
        """`replay`: documents by group that every update reads beside the answers; none without a share."""
        self._replay = replay
        self._end_of_text = tokenizer.end_of_text
        self._tokenizer = tokenizer
        self._backend = backend
        self._options = options
        self._seed = seed
        self._log_probs = AnswerLogProbs(
            network, prompt=options["longest_prompt"], temperature=options["temperature"]
        )
        loss = DapoLoss(self._log_probs, clip_low=options["clip"]["low"], clip_high=options["clip"]["high"])
        if replay:
            loss = DapoLossWithReplay(loss, NextTokenLoss(network), share=options["replay"]["share"])
        self.train_step = TrainStep(loss, AdamWSettings(**options["optimizer"]))

    def step(self, level: Level, *, step: int, step_in_level: int) -> StepReport:
        """Step number `step` of the run, `step_in_level` of the level; the weights change unless no group has spread."""
        first: list[tuple[list[str], list[float | None], list[int]]] = []

        def draw(number: int, missing: int) -> list[AnswerGroup]:
            return self._draw(level, step, step_in_level, number, first if number == 0 else None)

        drawn = draw_groups(
            draw,
            wanted=self._options["groups"],
            max_draws=self._options["max_draws"],
            enough=self._options["enough"],
        )
        texts = [text for row, _, _ in first for text in row]
        scores = [score for _, row, _ in first for score in row if score is not None]
        report = StepReport(
            reward=float(np.mean(scores)) if scores else 0.0,
            length=float(np.mean([length for _, _, row in first for length in row])),
            form_share=float(np.mean([parse_think_form(text) is not None for text in texts])),
            draws=drawn.draws,
            mixed_groups=len(drawn.mixed),
            prompts=[group.prompt.number for group in drawn.mixed],
        )
        if not drawn.short:
            self._update(level, drawn.mixed, step, report)
        return report

    def _draw(
        self,
        level: Level,
        step: int,
        step_in_level: int,
        number: int,
        log: list[tuple[list[str], list[float | None], list[int]]] | None,
    ) -> list[AnswerGroup]:
        """The groups of one draw: the next prompts of the pool's order, each answered `group` times."""
        count, size = self._options["groups"], self._options["group"]
        places = drawn_places(step_in_level, number, groups=count, max_draws=self._options["max_draws"])
        prompts = [level.pool.at(self._seed, level.number, place) for place in places]
        rollouts = self._backend.answer(
            [prompt for prompt in prompts for _ in range(size)],
            longest=level.longest_answer,
            temperature=self._options["temperature"],
            seed=self._seed,
            step=step,
            first_item=number * count * size,
        )
        groups = []
        for place, prompt in enumerate(prompts):
            mine = rollouts[place * size : (place + 1) * size]
            texts = [self._tokenizer.decode(rollout.tokens, skip_special=True) for rollout in mine]
            scores = score_replies(level.reward, prompt.question, texts)
            if log is not None:
                log.append((texts, scores, [len(rollout.tokens) for rollout in mine]))
            made = make_group(
                prompt, mine, scores, longest=level.longest_answer, buffer=level.overlong_buffer
            )
            if made is not None:
                groups.append(made)
        return groups

    def _update(self, level: Level, groups: list[AnswerGroup], step: int, report: StepReport) -> None:
        updates = self._options["updates"]
        shape = Shape(
            rows=-(-self._options["groups"] // updates) * self._options["group"],
            prompt=self._options["longest_prompt"],
            answer=level.longest_answer,
        )
        batches = []
        for part in split_groups(groups, updates, seed=self._seed, step=step):
            batch = arrays_of(
                part,
                shape,
                baseline=self._options["baseline"],
                divide_by_deviation=self._options["divide_by_deviation"],
            )
            if any(rollout.log_probs is None for group in part for rollout in group.rollouts):
                batch[3][:] = self._log_probs(Tensor(batch[0]), Tensor(batch[1])).asnumpy()
            batches.append(batch)
        for batch in batches:
            result = self.train_step((*batch, *self._documents()), self._rate())
            report.losses.append(result.loss)
            report.gradient_norms.append(result.gradient_norm)
            report.measures.append(result.extra)

    def _documents(self) -> tuple[np.ndarray, ...]:
        """What the next update replays; nothing without a share."""
        if not self._replay:
            return ()
        options = self._options["replay"]
        first = self.train_step.updates * options["rows"]
        return replay_arrays(
            self._replay,
            options["groups"],
            range(first, first + options["rows"]),
            length=options["length"],
            padding=self._end_of_text,
            seed=self._seed,
        )

    def _rate(self) -> float:
        """Learning rate of the next update: linear warm-up, then constant."""
        schedule = self._options["schedule"]
        return schedule["max"] * min(1.0, (self.train_step.updates + 1) / max(1, schedule["warmup"]))
