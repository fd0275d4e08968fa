"""What models answer, and which option they find likeliest; every shape compiles once for all models."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from mindspore import Tensor

from stages._worker.data.chat import render_chat
from stages._worker.data.tokenizer import Tokenizer, load_tokenizer
from stages._worker.failures import DataError
from stages._worker.inference.generate import Generator
from stages._worker.model.config import Qwen3Config, read_config
from stages._worker.model.qwen3 import Qwen3ForCausalLM
from stages._worker.model.weights import load_weights
from stages._worker.training.train_step import NextTokenLoss
from stages.eval.predictions import Prediction
from stages.eval.prompts import build_prompt
from stages.eval.task import Task, split_options


@dataclass(frozen=True, kw_only=True, slots=True)
class Answers:
    """Predictions of one task, in the order of its items; None where the prompt is too long to be asked."""

    predictions: list[Prediction]
    too_long: int


class Engine:
    """The graphs of one shape of model. `load` gives it the weights of a folder."""

    def __init__(self, config: Qwen3Config, options: dict[str, Any]) -> None:
        self._options = options
        self.network = Qwen3ForCausalLM(
            config, max_length=max(options["longest_option"], options["heldout"]["tokens"])
        )
        self._generator = Generator(
            self.network,
            batch=options["batch"],
            prompt_length=options["longest_prompt"],
            answer_length=options["longest_answer"],
        )
        self._losses = NextTokenLoss(self.network)
        self._losses.set_train(False)
        self.tokenizer: Tokenizer | None = None

    def load(self, folder: Path) -> None:
        """Takes the weights and tokenizer of a model folder."""
        load_weights(self.network, folder)
        self.tokenizer = load_tokenizer(folder)

    def answer(self, task: Task, *, plain: bool, seed: int) -> Answers:
        """Answers of the loaded model. `plain` asks without the chat template, as a base model is asked."""
        tokenizer = self._loaded()
        prompts = [
            build_prompt(
                task,
                item,
                shots=self._options["few_shot"],
                longest=self._options["context"],
                encode=tokenizer.encode,
                decode=tokenizer.decode,
            )
            for item in task.items
        ]
        encoded = [tokenizer.encode(prompt if plain else _chat(prompt, tokenizer)) for prompt in prompts]
        fits = [0 < len(tokens) <= self._options["longest_prompt"] for tokens in encoded]
        answers = iter(
            self._generator.generate(
                [tokens for tokens, fit in zip(encoded, fits, strict=True) if fit],
                stop=frozenset({tokenizer.end_of_turn, tokenizer.end_of_text}),
                temperature=self._options["temperature"],
                seed=seed,
            )
        )
        texts = [tokenizer.decode(next(answers).tokens, skip_special=True) if fit else "" for fit in fits]
        return Answers(
            predictions=[
                Prediction(id=item.id, prompt=prompt, prediction=text, gold=item.answer)
                for item, prompt, text in zip(task.items, prompts, texts, strict=True)
            ],
            too_long=fits.count(False),
        )

    def likeliest_options(self, task: Task) -> list[str | None]:
        """The letter of the option whose text has the highest mean log p a token after the stem of the question.

        None for an item whose options cannot be read or whose texts do not fit.
        """
        tokenizer = self._loaded()
        rows: list[tuple[int, list[int], int]] = []  # item, tokens, where the option starts
        for place, item in enumerate(task.items):
            stem, options = split_options(item.question)
            head = [tokenizer.end_of_text, *tokenizer.encode(f"{stem}\n")]
            encoded = [[*head, *tokenizer.encode(option)] for option in options]
            if encoded and max(map(len, encoded)) <= self._options["longest_option"] + 1:
                rows += [(place, tokens, len(head)) for tokens in encoded]
        losses = self._option_losses(rows)
        by_item: dict[int, list[float]] = {}
        for (place, _, _), loss in zip(rows, losses, strict=True):
            by_item.setdefault(place, []).append(loss)
        return [
            "ABCDEFGH"[int(np.argmin(by_item[place]))] if place in by_item else None
            for place in range(len(task.items))
        ]

    def _option_losses(self, rows: list[tuple[int, list[int], int]]) -> list[float]:
        width, batch = self._options["longest_option"], self._options["batch"]
        found: list[float] = []
        for begin in range(0, len(rows), batch):
            part = rows[begin : begin + batch]
            tokens = np.zeros((batch, width + 1), np.int32)
            weights = np.zeros((batch, width), np.float32)
            for place, (_, row, start) in enumerate(part):
                tokens[place, : len(row)] = row
                weights[place, start - 1 : len(row) - 1] = 1
            _, means = self._losses(Tensor(tokens), Tensor(weights))
            found += [float(value) for value in means.asnumpy()[: len(part)]]
        return found

    def _loaded(self) -> Tokenizer:
        if self.tokenizer is None:
            raise RuntimeError("no model is loaded")
        return self.tokenizer


def engine_for(folder: Path, engines: dict[Qwen3Config, Engine], options: dict[str, Any]) -> Engine:
    """The engine of a model's shape, made when it is new, with the model's weights loaded."""
    config = read_config(folder)
    if config not in engines:
        engines[config] = Engine(config, options)
    engine = engines[config]
    engine.load(folder)
    if len(engine.tokenizer or ()) > config.vocab_size:
        raise DataError(f"{folder}: the tokenizer has more entries than the model")
    return engine


def _chat(prompt: str, tokenizer: Tokenizer) -> str:
    return render_chat(
        [{"role": "user", "content": prompt}],
        add_generation_prompt=True,
        template=tokenizer.chat_template,
        enable_thinking=True,
    )
