"""The model card: what the model is, how each stage changed its numbers, whose data and licences it rests on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from stages._worker.model.config import Qwen3Config

_PHASES = {
    "base": "pre-training from scratch",
    "midtrain": "mid-training in PAS order",
    "sft": "fine-tuning on reasoning samples",
    "rl": "curriculum reinforcement learning",
}
# What a reader asks first; each is shown where a stage measured it.
_SHOWN = ("heldout_loss_before", "heldout_loss_after", "legal_ppl", "general_ppl", "think_share")


@dataclass(kw_only=True, slots=True, frozen=True)
class Sources:
    """Everything the card quotes."""

    verdict: str
    """One sentence on the model: better or worse than its base, where, by what."""
    history: list[dict[str, Any]]
    """The stages that made the model, first to last."""
    licenses: list[dict[str, Any]]
    teachers: list[dict[str, Any]]
    """Who wrote samples for fine-tuning: {name, revision, stand_in} each."""
    writers: list[dict[str, Any]]
    """Who wrote synthetic documents for mid-training, likewise."""
    evaluations: list[dict[str, Any]]
    """report.json of every evaluation, and of every shard of one."""


def model_card(options: dict[str, Any], config: Qwen3Config, sources: Sources) -> str:
    """README.md of the delivery."""
    parts = [
        _front_matter(options),
        f"# {options['name']}",
        sources.verdict,
        _about(options, config, sources.history),
        _use(),
        _numbers(sources.history),
        _evaluation(sources.evaluations),
        _stand_ins(options, sources),
        _licenses(options, sources.licenses),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _front_matter(options: dict[str, Any]) -> str:
    lines = [f"license: {options['license']}", "language: [zh]", "library_name: transformers"]
    lines += ["pipeline_tag: text-generation", "tags: [legal, reasoning, qwen3]"]
    if options["base_model"]:
        lines.append(f"base_model: {options['base_model']}")
    return "---\n" + "\n".join(lines) + "\n---"


def _about(options: dict[str, Any], config: Qwen3Config, history: list[dict[str, Any]]) -> str:
    phases = [_PHASES.get(item["kind"], item["kind"]) for item in history]
    made = f", made by {', then '.join(phases)}" if phases else ""
    start = f", starting from {options['base_model']}" if options["base_model"] else ""
    text = (
        f"A Qwen3 model of {config.parameter_count():,} parameters ({config.num_hidden_layers} layers, hidden size "
        f"{config.hidden_size}, vocabulary {config.vocab_size:,}){made}{start}."
    )
    if any(item["kind"] in ("sft", "rl") for item in history):
        text += " Answers have the form `<think>` reasoning `</think>` answer."
    return text + " It is no substitute for legal advice."


def _use() -> str:
    return (
        "```python\n"
        "from transformers import AutoModelForCausalLM, AutoTokenizer\n\n"
        'tokenizer = AutoTokenizer.from_pretrained(".")\n'
        'model = AutoModelForCausalLM.from_pretrained(".")\n'
        "```"
    )


def _numbers(history: list[dict[str, Any]]) -> str:
    if not history:
        return ""
    shown = [name for name in _SHOWN if any(name in item["metrics"] for item in history)]
    rows = [["stage", *(name.replace("_", " ") for name in shown)]]
    for item in history:
        rows.append([item["stage"], *(_cell(item["metrics"], name) for name in shown)])
    return (
        "## Numbers\n\nMeasured by each stage at its end, on held-out data; 95 % bootstrap intervals in brackets.\n\n"
        + _table(rows)
    )


def _cell(metrics: dict[str, Any], name: str) -> str:
    value = metrics.get(name)
    if value is None:
        return ""
    low, high = metrics.get(f"{name}_lo"), metrics.get(f"{name}_hi")
    bounds = "" if low is None or high is None else f" [{low:.4g}, {high:.4g}]"
    return f"{value:.4g}{bounds}"


def _evaluation(reports: list[dict[str, Any]]) -> str:
    """Strict scores of every model on every task, in percent; those in brackets are 95 % bootstrap intervals."""
    tasks = {task["task"]: task for report in reports for task in report["tasks"]}
    if not tasks:
        return ""
    models = list(dict.fromkeys(model for report in reports for model in report["models"]))
    found = {(row["task"], row["model"]): row for report in reports for row in report["rows"]}
    rows = [["task", "items", "chance", *models]]
    for task in tasks.values():
        scores = [found.get((task["task"], model)) for model in models]
        chance = "" if task["chance"] is None else f"{task['chance']:.4g}"
        rows.append([task["task"], str(task["items"]), chance, *(_score(row) for row in scores)])
    return "## Evaluation\n\nStrict scores in percent.\n\n" + _table(rows)


def _score(row: dict[str, Any] | None) -> str:
    if row is None or row["strict"] is None:
        return ""
    return f"{row['strict']:.4g} [{row['strict_lo']:.4g}, {row['strict_hi']:.4g}]"


def _stand_ins(options: dict[str, Any], sources: Sources) -> str:
    lines = []
    if not options["base_model"] and any(item["kind"] == "base" for item in sources.history):
        lines.append(
            "- The base model was trained from scratch by this pipeline, in place of a pretrained Qwen3."
        )
    for what, authors in (("Reasoning samples", sources.teachers), ("Synthetic documents", sources.writers)):
        lines += [f"- {what} were written by {_author(author)}." for author in authors]
    return "## Where it comes from\n\n" + "\n".join(lines) if lines else ""


def _author(author: dict[str, Any]) -> str:
    name = f"{author.get('name', 'unnamed')} {author.get('revision') or ''}".strip()
    if author.get("stand_in"):
        return f"`{name}`, a stand-in for a strong teacher model"
    return f"the teacher model `{name}`"


def _licenses(options: dict[str, Any], licenses: list[dict[str, Any]]) -> str:
    text = f"## Licences\n\nWeights: {options['license']}."
    if not licenses:
        return text
    rows = [["source", "group", "licence"]]
    rows += [[item["source"], item["group"], item["license"]] for item in licenses]
    return f"{text} Training data:\n\n{_table(rows)}"


def _table(rows: list[list[str]]) -> str:
    head, *body = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in body])
