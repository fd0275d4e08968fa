"""The verdict: one sentence on the delivered model, for views and the model card."""

from __future__ import annotations

from typing import Any

_NAMED = 3  # tasks that are named of each kind; the others are counted


def verdict_sentence(
    *, model: str, base: str | None, lines: list[dict[str, Any]], history: list[dict[str, Any]]
) -> str:
    """Whether the model is better than its base, where, by what; then what it forgot and what RL did not carry over.

    `lines` are those of stages/eval/comparison.py, `history` the stages that made the model. Tasks whose prompts it was
    trained on decide nothing: they are told apart.
    """
    told = [line for line in lines if line.get("outcome") is not None]
    unseen = [line for line in told if not line["seen_in_training"]]
    parts = [_head(model, base, unseen, history)]
    for outcome, words in (
        ("better", "better in"),
        ("worse", "worse in"),
        ("chance", "answers, but no better than chance, in"),
        ("same", "no difference can be told in"),
    ):
        mine = [line for line in unseen if line["outcome"] == outcome]
        if mine:
            parts.append(f"{words} {len(mine)} of {len(unseen)}: {_tasks(mine)}")
    seen = [line for line in told if line["seen_in_training"]]
    if seen:
        better = sum(line["outcome"] == "better" for line in seen)
        parts.append(f"on prompts it was trained on, which decide nothing, better in {better} of {len(seen)}")
    return "; ".join([*parts, *_forgotten(history), *_not_carried_over(history)]) + "."


def _head(model: str, base: str | None, unseen: list[dict[str, Any]], history: list[dict[str, Any]]) -> str:
    if base is None:
        if history and history[-1]["kind"] == "base":
            return f"The delivered model ({model}) is a base model: there is none to compare it with"
        return (
            f"Whether the delivered model ({model}) is better than its base cannot be told: "
            "the base was not evaluated"
        )
    outcomes = {line["outcome"] for line in unseen}
    names = f"The delivered model ({model})", f"its base ({base})"
    scale = f"{len(unseen)} tasks, percent, 95 % intervals over all tasks together"
    if not unseen:
        return f"{names[0]} was compared with {names[1]} on no task that it was not trained on"
    if "better" in outcomes and "worse" in outcomes:
        return f"{names[0]} is better than {names[1]} in some tasks and worse in others ({scale})"
    if "better" in outcomes:
        return f"{names[0]} is better than {names[1]} ({scale})"
    if "worse" in outcomes:
        return f"{names[0]} is worse than {names[1]} ({scale})"
    return f"{names[0]} is not better than {names[1]}, nor worse, as far as can be told ({scale})"


def _tasks(lines: list[dict[str, Any]]) -> str:
    """The tasks that changed most, with scores, gain, interval and chance."""
    most = sorted(lines, key=lambda line: -abs(line["gain"]))
    named = [
        f"{_words(line['task'])} {line['before']:.1f} → {line['after']:.1f} "
        f"({line['gain']:+.1f} [{line['gain_lo']:.1f}, {line['gain_hi']:.1f}]"
        + ("" if line["chance"] is None else f", chance {line['chance']:.1f}")
        + ")"
        for line in most[:_NAMED]
    ]
    more = len(most) - len(named)
    return ", ".join(named) + (f" and {more} more" if more else "")


def _forgotten(history: list[dict[str, Any]]) -> list[str]:
    """Perplexities that rose since mid-training, beyond what their intervals leave open."""
    learnt = next((step for step in reversed(history) if step["kind"] == "midtrain"), None)
    if learnt is None or learnt is history[-1]:
        return []
    before, after = learnt["metrics"], history[-1]["metrics"]
    found = []
    for name in ("legal_ppl", "general_ppl"):
        if name not in before or name not in after:
            continue
        if after.get(f"{name}_lo", after[name]) > before.get(f"{name}_hi", before[name]):
            times = after[name] / before[name]
            found.append(
                f"{name.removesuffix('_ppl')} perplexity {before[name]:.4g} → {after[name]:.4g} ({times:.2g} times)"
            )
    return [f"it forgot since mid-training: {', '.join(found)}"] if found else []


def _not_carried_over(history: list[dict[str, Any]]) -> list[str]:
    """Levels of RL whose reward on held-out prompts did not rise, as far as its interval tells."""
    found = []
    for step in history:
        if step["kind"] != "rl":
            continue
        metrics = step["metrics"]
        for name in metrics:
            level = name.removesuffix("_heldout_after")
            before = metrics.get(f"{level}_heldout_before")
            if level == name or before is None or metrics.get(f"{level}_heldout_gain_lo", 0) > 0:
                continue
            found.append(f"{_words(level)} {before:.3g} → {metrics[name]:.3g}")
    return [f"the reward of RL did not rise on held-out prompts: {', '.join(found)}"] if found else []


def _words(name: str) -> str:
    return name.replace("_", " ").replace("heldout", "held-out")
