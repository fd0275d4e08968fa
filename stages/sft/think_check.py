"""How many held-out prompts a model answers in the `<think>` form, by greedy generation."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from stages._worker.data.tokenizer import Tokenizer
from stages._worker.inference.bootstrap import Interval, ratio_interval
from stages._worker.inference.generate import Generator
from stages._worker.model.qwen3 import Qwen3ForCausalLM
from stages._worker.think_form import parse_think_form
from stages.sft.data import Samples

FEWEST_PROMPTS = 50  # fewer say too little about a share


@dataclass(frozen=True, kw_only=True, slots=True)
class ThinkCheck:
    """Share of answers in the form, and some answers to look at."""

    share: Interval
    prompts: int
    shown: list[dict[str, Any]]


def check_think_form(
    network: Qwen3ForCausalLM, tokenizer: Tokenizer, heldout: Samples, *, options: dict[str, Any], seed: int
) -> ThinkCheck | None:
    """Asks the first prompts that fit; None when no held-out prompt fits."""
    asked = [
        (row, list(made.tokens[: made.prompt]))
        for row, made in zip(heldout.rows, heldout.tokens, strict=True)
        if row.get("task") != "general" and made.prompt <= options["longest_prompt"]
    ][: options["prompts"]]
    if not asked:
        return None
    generator = Generator(
        network,
        batch=min(options["batch"], len(asked)),
        prompt_length=options["longest_prompt"],
        answer_length=options["longest_answer"],
    )
    answers = generator.generate(
        [prompt for _, prompt in asked],
        stop=frozenset({tokenizer.end_of_turn, tokenizer.end_of_text}),
        temperature=0.0,
        seed=seed,
    )
    texts = [tokenizer.decode(answer.tokens, skip_special=True) for answer in answers]
    held = np.array(
        [
            answer.stopped and parse_think_form(text) is not None
            for answer, text in zip(answers, texts, strict=True)
        ],
        dtype=np.float64,
    )
    shown = [
        {
            "task": row["task"],
            "prompt": row["messages"][0]["content"],
            "answer": text,
            "reference": row.get("reference"),
            "think_form": bool(good),
        }
        for (row, _), text, good in zip(asked, texts, held, strict=True)
    ]
    return ThinkCheck(
        share=ratio_interval(held, np.ones_like(held), seed=seed),
        prompts=len(asked),
        shown=spread(shown, options["shown"]),
    )


def spread(rows: list[dict[str, Any]], count: int) -> list[dict[str, Any]]:
    """`count` rows, by turns from every task."""
    by_task: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        by_task.setdefault(row["task"], []).append(row)
    order = [
        row for place in range(len(rows)) for group in by_task.values() for row in group[place : place + 1]
    ]
    return order[:count]
