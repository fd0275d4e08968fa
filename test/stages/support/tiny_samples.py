"""A samples artifact small enough to be learnt by heart in seconds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from stages._worker import jsonl

_ACTS = ["承担赔偿责任", "提起诉讼", "解除合同", "申请执行", "支付价款", "公开信息", "提供担保", "返还财产"]
_CHARGES = ["盗窃", "诈骗", "抢劫", "放火"]


def tiny_samples(folder: Path) -> Path:
    """samples.jsonl with a memorisation and a choice pool of four prompts each, and general.jsonl."""
    rows = [_recitation(n, "memorisation" if n < 4 else None, "train") for n in range(12)]
    rows += [_recitation(n, None, "heldout") for n in range(12, 16)]
    rows += [_choice(n, "choice" if n < 4 else None, "train") for n in range(12)]
    rows += [_choice(n, None, "heldout") for n in range(12, 16)]
    jsonl.write(folder / "samples.jsonl", rows)
    jsonl.write(
        folder / "general.jsonl",
        [
            _row(f"general/{n}", "general", f"续写：{_ACTS[n]}", "接着写。", "好", "train", None)
            for n in range(4)
        ],
    )
    return folder


def _recitation(n: int, pool: str | None, split: str) -> dict[str, Any]:
    text = f"当事人应当{_ACTS[n % 8]}。"
    return _row(f"recite/{n}", "statute_recitation", f"第{n}条？", f"问第{n}条。", text, split, pool)


def _choice(n: int, pool: str | None, split: str) -> dict[str, Any]:
    options = " ".join(f"{letter}：{charge}" for letter, charge in zip("ABCD", _CHARGES, strict=True))
    letter = "ABCD"[n * 7 % 4]
    row = _row(f"choice/{n}", "charge_choice", f"案{n}。{options}", f"案{n}。", letter, split, pool)
    return row | {"meta": {"answer": letter}}


def _row(
    name: str, task: str, question: str, think: str, answer: str, split: str, pool: str | None
) -> dict[str, Any]:
    return {
        "id": name,
        "task": task,
        "messages": [
            {"role": "user", "content": question},
            {"role": "assistant", "content": f"<think>{think}</think>{answer}"},
        ],
        "reference": answer,
        "split": split,
        "pool": pool,
        "meta": {},
        "teacher": {"name": "test", "revision": "1", "stand_in": True},
    }
