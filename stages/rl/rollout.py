"""The back-end port of RL: who answers prompts. Two programs answer: this process, or a server beside it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from stages._worker.inference.generate import Generator
from stages._worker.model.qwen3 import Qwen3ForCausalLM
from stages.rl.pool import Prompt


@dataclass(frozen=True, kw_only=True, slots=True)
class Rollout:
    """One answer. `tokens` has the stop token at its end when the answer is finished."""

    tokens: tuple[int, ...]
    log_probs: (
        tuple[float, ...] | None
    )  # at the temperature of the draw; None when the learner has to compute them
    finished: bool


class RolloutBackend(Protocol):
    """Answers prompts with the newest weights it was given."""

    needs_weights: bool  # whether `load` has to be called after updates

    def answer(
        self,
        prompts: list[Prompt],
        *,
        longest: int,
        temperature: float,
        seed: int,
        step: int,
        first_item: int,
    ) -> list[Rollout]:
        """One rollout a prompt, in order. Answer i may depend on (seed, step, first_item + i) alone."""
        ...

    def load(self, folder: Path) -> None:
        """Takes the weights of a Hugging Face folder."""
        ...


class NativeBackend:
    """Generation in this process with a KV cache; it sees every update at once."""

    needs_weights = False

    def __init__(self, network: Qwen3ForCausalLM, *, batch: int, longest_prompt: int, stop: int) -> None:
        self._network = network
        self._batch = batch
        self._longest_prompt = longest_prompt
        self._stop = stop
        self._generators: dict[int, Generator] = {}

    def answer(
        self,
        prompts: list[Prompt],
        *,
        longest: int,
        temperature: float,
        seed: int,
        step: int,
        first_item: int,
    ) -> list[Rollout]:
        answers = self._generator(longest).generate(
            [list(prompt.tokens) for prompt in prompts],
            stop=frozenset({self._stop}),
            temperature=temperature,
            seed=seed,
            step=step,
            first_item=first_item,
        )
        return [
            Rollout(
                tokens=(*answer.tokens, self._stop) if answer.stopped else tuple(answer.tokens),
                log_probs=tuple(answer.log_probs),
                finished=answer.stopped,
            )
            for answer in answers
        ]

    def load(self, folder: Path) -> None:
        """Nothing to take over: the weights are the learner's own."""

    def _generator(self, longest: int) -> Generator:
        """One compiled generator for each length of answer."""
        if longest not in self._generators:
            self._generators[longest] = Generator(
                self._network,
                batch=self._batch,
                prompt_length=self._longest_prompt,
                answer_length=longest,
            )
        return self._generators[longest]
