"""The verdict: one sentence on the delivered model, for views and the model card."""

from __future__ import annotations

from typing import Any

_NAMED = 3  # tasks that are named of each kind; the others are counted
_OUTCOMES = ("better", "worse", "chance", "same")


def verdict_sentence(
    *, model: str, base: str | None, lines: list[dict[str, Any]], history: list[dict[str, Any]]
) -> str:
    """Whether the model is better than its base, where, by what; then what it forgot and what RL did not carry over.

    `lines` are those of stages/eval/comparison.py, `history` the stages that made the model. Tasks whose prompts it was
    trained on decide nothing: they are told apart.
    """
    told = [line for line in lines if line.get("outcome") is not None]
    seen = [line for line in told if line["seen_in_training"]]
    unseen = [line for line in told if not line["seen_in_training"]]
    if base is None:
        parts = [_alone(model, lines, history)]
    elif not unseen:
        parts = [
            f"The delivered model ({model}) was compared with its base ({base}) on no task that it was not trained on"
        ]
    else:
        parts = _compared(model, base, unseen)
    if seen:
        better = sum(line["outcome"] == "better" for line in seen)
        parts.append(f"on prompts it was trained on, which decide nothing, better in {better} of {len(seen)}")
    return "; ".join([*parts, *_forgotten(history), *_not_carried_over(history)]) + "."


def _alone(model: str, lines: list[dict[str, Any]], history: list[dict[str, Any]]) -> str:
    if history and history[-1]["kind"] == "base":
        return f"The delivered model ({model}) is a base model: there is none to compare it with"
    scores = [line for line in lines if line["after"] is not None and not line["seen_in_training"]]
    best = sorted(scores, key=lambda line: -line["after"])[:_NAMED]
    shown = ", ".join(f"{_words(line['task'])} {line['after']:.1f}{_chance(line, ' ({})')}" for line in best)
    return (
        f"Whether the delivered model ({model}) is better than its base cannot be told: the base was not evaluated"
        + (f"; its best scores in percent: {shown}" if shown else "")
    )


def _compared(model: str, base: str, lines: list[dict[str, Any]]) -> list[str]:
    """The tasks by what can be told of them, better and worse first; only these, or else all, with their numbers."""
    groups = {name: [line for line in lines if line["outcome"] == name] for name in _OUTCOMES}
    names = f"The delivered model ({model})", f"its base ({base})"
    scale = "percent, 95 % intervals over all tasks together"
    better, worse, chance, same = (groups[name] for name in _OUTCOMES)
    of = f"of {len(lines)} tasks ({scale})"
    if better:
        parts = [f"{names[0]} is better than {names[1]} in {len(better)} {of}: {_numbers(better)}"]
        parts += [f"worse in {len(worse)}: {_numbers(worse)}"] if worse else []
    elif worse:
        parts = [f"{names[0]} is worse than {names[1]} in {len(worse)} {of}: {_numbers(worse)}"]
    else:
        parts = [f"{names[0]} is neither better nor worse than {names[1]} in any {of}, as far as can be told"]
    if chance:
        parts.append(f"it answers, but no better than chance, in {len(chance)}: {_numbers(chance)}")
    if same:
        shown = _names(same) if better or worse else _numbers(same)
        parts.append(f"no difference can be told in {len(same)}: {shown}")
    return parts


def _numbers(lines: list[dict[str, Any]]) -> str:
    """The tasks that changed most, with scores, gain, interval and chance."""
    most = sorted(lines, key=lambda line: -abs(line["gain"]))
    named = [
        f"{_words(line['task'])} {line['before']:.1f} → {line['after']:.1f} "
        f"({line['gain']:+.1f} [{line['gain_lo']:.1f}, {line['gain_hi']:.1f}]{_chance(line, ', {}')})"
        for line in most[:_NAMED]
    ]
    return ", ".join(named) + _more(lines)


def _names(lines: list[dict[str, Any]]) -> str:
    return ", ".join(_words(line["task"]) for line in lines[:_NAMED]) + _more(lines)


def _more(lines: list[dict[str, Any]]) -> str:
    return f" and {len(lines) - _NAMED} more" if len(lines) > _NAMED else ""


def _chance(line: dict[str, Any], form: str) -> str:
    return "" if line["chance"] is None else form.format(f"chance {line['chance']:.1f}")


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
    """Levels of RL for whose reward on held-out prompts no rise can be told from chance, by its interval."""
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
    return [f"on held-out prompts no rise of RL's reward can be told: {', '.join(found)}"] if found else []


def _words(name: str) -> str:
    return name.replace("_", " ").replace("heldout", "held-out")
