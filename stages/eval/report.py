"""The report of an evaluation: before and after, and what was forgotten. Pure."""

from typing import Any

from stages._worker.inference.bootstrap import Interval


def before_and_after(rows: list[dict[str, Any]], models: list[str]) -> list[dict[str, Any]]:
    """One line a task: strict score and option likelihood of every model, in the order of training."""
    tasks = list(dict.fromkeys(row["task"] for row in rows))
    found = {(row["task"], row["model"]): row for row in rows}
    lines = []
    for task in tasks:
        mine = {model: found[task, model] for model in models if (task, model) in found}
        first = next(iter(mine.values()))
        lines.append(
            {
                "task": task,
                "seen_in_training": first["seen_in_training"],
                "items": first["items"],
                "chance": first["chance"],
                "strict": {model: row["strict"] for model, row in mine.items()},
                "compatible": {model: row["compatible"] for model, row in mine.items()},
                "option_likelihood": {model: row["option_likelihood"] for model, row in mine.items()},
            }
        )
    return lines


def forgetting(perplexities: dict[str, dict[str, Interval]]) -> list[dict[str, Any]]:
    """One line a model: perplexities, and each as a multiple of the first model's."""
    lines = []
    first: dict[str, Interval] | None = None
    for model, measured in perplexities.items():
        first = first or measured
        line: dict[str, Any] = {"model": model}
        for name, interval in measured.items():
            if name == "loss":
                continue
            line |= {name: interval.value, f"{name}_lo": interval.low, f"{name}_hi": interval.high}
            line[f"{name}_ratio"] = interval.value / first[name].value
        lines.append(line)
    return lines


def metrics_of(
    rows: list[dict[str, Any]], perplexities: dict[str, dict[str, Interval]]
) -> dict[str, float | None]:
    """Flat numbers for gates: <model>_<task>, <model>_legal_ppl, …"""
    metrics: dict[str, float | None] = {}
    for row in rows:
        name = f"{row['model']}_{row['task']}"
        metrics |= {name: row["strict"], f"{name}_lo": row["strict_lo"], f"{name}_hi": row["strict_hi"]}
    for line in forgetting(perplexities):
        model = line["model"]
        metrics |= {
            f"{model}_{name}": value
            for name, value in line.items()
            if name != "model" and not name.endswith("_ratio")
        }
    return metrics


def verdict_metrics(verdict: dict[str, Any] | None) -> dict[str, float | None]:
    """Key numbers of the stage: <task>_before of the base, <task>_after of the delivered model, <task>_gain with its
    bounds, <task>_chance. What was not measured is left out."""
    lines = [] if verdict is None else verdict["tasks"]
    return {
        f"{line['task']}_{name}": line[name]
        for line in lines
        for name in ("before", "after", "gain", "gain_lo", "gain_hi", "chance")
        if line.get(name) is not None
    }
