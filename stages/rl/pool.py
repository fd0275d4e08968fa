"""Prompts of a level: those it learns from, fixed probes out of them, and held-out ones beside them."""

import hashlib
from dataclasses import dataclass, field
from typing import Any

from stages._worker.data.chat import render_chat
from stages._worker.data.tokenizer import Tokenizer
from stages._worker.failures import DataError
from stages.rl.rewards.registry import Question


@dataclass(frozen=True, kw_only=True, slots=True)
class Prompt:
    """One prompt, ready to be answered."""

    number: int  # place among all samples, for the ledger
    tokens: tuple[int, ...]
    question: Question


@dataclass(frozen=True, kw_only=True, slots=True)
class Pool:
    """The prompts of one level."""

    train: tuple[Prompt, ...]
    probes: tuple[Prompt, ...]
    heldout: tuple[Prompt, ...]
    too_long: int
    _order: dict[tuple[int, int, int], list[Prompt]] = field(default_factory=dict, repr=False, compare=False)
    """The permutation that was asked for last."""

    def at(self, seed: int, level: int, position: int) -> Prompt:
        """Prompt number `position` (0, 1, …) of an endless order: one seeded permutation after another."""
        passed, place = divmod(position, len(self.train))
        key = (seed, level, passed)
        if key not in self._order:
            self._order.clear()
            self._order[key] = sorted(self.train, key=lambda prompt: _key(*key, prompt.number))
        return self._order[key][place]

    def feed(self, digest: "hashlib._Hash") -> None:
        """Adds what decides the order and content of the prompts to a hash."""
        for prompt in self.train:
            digest.update(f"{prompt.number} {prompt.question.id} {prompt.tokens}\n".encode())


def read_pool(
    samples: list[dict[str, Any]],
    tokenizer: Tokenizer,
    *,
    level: dict[str, Any],
    longest_prompt: int,
    probes: int,
    heldout: int,
    seed: int,
) -> Pool:
    """The prompts of a level among samples; ones longer than `longest_prompt` tokens are left out and counted."""
    chosen = [
        (n, row) for n, row in enumerate(samples) if row.get("split") == "train" and _wanted(level, row)
    ]
    if not chosen:
        raise DataError(f"level {level['name']}: no training sample with {_described(level)}")
    tasks = {row["task"] for _, row in chosen}
    beside = [
        (n, row) for n, row in enumerate(samples) if row.get("split") == "heldout" and row["task"] in tasks
    ]
    made = {True: [], False: []}
    too_long = 0
    for mine, rows in ((True, chosen), (False, beside)):
        for number, row in rows:
            prompt = _prompt(number, row, tokenizer)
            if len(prompt.tokens) <= longest_prompt:
                made[mine].append(prompt)
            else:
                too_long += mine
    if not made[True]:
        raise DataError(
            f"level {level['name']}: all {too_long} prompts are longer than {longest_prompt} tokens"
        )
    return Pool(
        train=tuple(made[True]),
        probes=_picked(made[True], probes, f"{seed}:{level['name']}:probe"),
        heldout=_picked(made[False], heldout, f"{seed}:{level['name']}:heldout"),
        too_long=too_long,
    )


def _prompt(number: int, row: dict[str, Any], tokenizer: Tokenizer) -> Prompt:
    messages = row["messages"][:-1]
    text = render_chat(messages, add_generation_prompt=True, template=tokenizer.chat_template)
    return Prompt(
        number=number,
        tokens=tuple(tokenizer.encode(text)),
        question=Question(
            id=str(row["id"]),
            prompt=messages[-1]["content"],
            reference=str(row.get("reference") or ""),
            meta=row.get("meta") or {},
        ),
    )


def _wanted(level: dict[str, Any], row: dict[str, Any]) -> bool:
    return all(row.get(word) == level[word] for word in ("pool", "task") if level.get(word))


def _described(level: dict[str, Any]) -> str:
    return " and ".join(f"{word} {level[word]}" for word in ("pool", "task") if level.get(word)) or "any task"


def _picked(prompts: list[Prompt], count: int, salt: str) -> tuple[Prompt, ...]:
    return tuple(sorted(prompts, key=lambda prompt: _key(salt, prompt.question.id))[:count])


def _key(*words: object) -> bytes:
    return hashlib.sha256(":".join(map(str, words)).encode()).digest()
