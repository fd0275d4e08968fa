"""The whole evaluation: every model on every task, perplexities, and the folder of results."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stages._worker.artifacts import file_sha256
from stages._worker.config_form import complete_config
from stages._worker.failures import DataError
from stages._worker.inference.bootstrap import Interval
from stages._worker.inference.heldout import HeldOut, counting
from stages._worker.job import Input, Job
from stages._worker.jsonl import write_json
from stages._worker.locations import resolve_data
from stages._worker.model import device
from stages._worker.model.config import Qwen3Config
from stages._worker.model.history import history_of
from stages._worker.verdict import verdict_sentence
from stages._worker.worker import Worker
from stages.eval.answering import Engine, engine_for
from stages.eval.comparison import compare, contestants
from stages.eval.predictions import Prediction, read_predictions, write_predictions
from stages.eval.report import before_and_after, forgetting, metrics_of, verdict_metrics
from stages.eval.scoring import score_row, strict_verdicts
from stages.eval.share import PERPLEXITY, Unit, share_of
from stages.eval.strict_scores import Verdict
from stages.eval.suite import suite_tasks
from stages.eval.task import Task


@dataclass(kw_only=True, slots=True)
class _Results:
    """What has been measured so far."""

    folder: Path
    rows: list[dict[str, Any]] = field(default_factory=list)
    perplexities: dict[str, dict[str, Interval]] = field(default_factory=dict)
    shown: list[dict[str, Any]] = field(default_factory=list)
    verdicts: dict[tuple[str, str], list[Verdict]] = field(default_factory=dict)
    """Strict verdicts by model and task, item by item."""


def evaluate(job: Job, worker: Worker) -> None:
    """One attempt."""
    worker.phase("loading", "the tasks of the suite")
    device.set_up()
    suite = complete_config("eval", job.options["evaluation"])
    tasks = suite_tasks(job, suite)
    models = named_models(job.inputs_of("model"))
    offline = job.options["predictions"]
    clash = sorted(set(models) & set(offline))
    if clash:
        raise DataError(f"with.predictions names {', '.join(clash)}, which are models of this run too")
    results = _Results(folder=worker.stage_output("evaluation"))
    engines: dict[Qwen3Config, Engine] = {}
    scorers: dict[tuple[int, str], HeldOut] = {}
    delivered, base = contestants(models)
    mine = _share(job, tasks, [*models, *offline], together=[name for name in (base, delivered) if name])
    units = sum(name != PERPLEXITY for name in mine)
    for model, folder in models.items():
        chosen = [task for task in tasks if (model, task.id) in mine]
        if not chosen and PERPLEXITY not in mine:
            continue
        engine = engine_for(folder, engines, job.options)
        for task in chosen:
            worker.raise_if_stopping()
            worker.phase("compiling", f"{model} answers {task.id}, {len(task.items):,} items")
            _answer(job, worker, engine, task, model, results)
            worker.progress(len(results.rows), units, "tasks")
        if PERPLEXITY in mine:
            _perplexity(job, worker, engine, model, folder, scorers, results)
    for label, path in offline.items():
        chosen = [task for task in tasks if (label, task.id) in mine]
        if chosen:
            _score_file(job, resolve_data(path), label, chosen, results)
    verdict = _verdict(job, tasks, results, delivered, base)
    if verdict is not None and job.shards == 1:
        verdict["sentence"] = verdict_sentence(
            model=verdict["model"],
            base=base,
            lines=verdict["tasks"],
            history=history_of(models[verdict["model"]]),
        )
    _write(worker, suite, results, [*models, *offline], tasks=len(tasks), verdict=verdict)


def _share(job: Job, tasks: list[Task], models: list[str], *, together: list[str]) -> set[Unit]:
    parts = [
        ([(model, task.id)], len(task.items)) for model in models for task in tasks if model not in together
    ]
    if together:
        parts += [
            ([(model, task.id) for model in together], len(together) * len(task.items)) for task in tasks
        ]
    documents = job.options["heldout"]["documents"] * len(models)
    return share_of([*parts, ([PERPLEXITY], documents)], job.shard, job.shards)


def _verdict(
    job: Job, tasks: list[Task], results: _Results, delivered: str | None, base: str | None
) -> dict[str, Any] | None:
    """The delivered model beside its base on the tasks of this shard; intervals hold for all tasks of the suite together."""
    if delivered is None:
        return None
    level = 1 - 0.05 / len(tasks)
    found = results.verdicts
    lines = [
        compare(
            task,
            None if base is None else found[base, task.id],
            found[delivered, task.id],
            seed=job.seed,
            level=level,
        )
        for task in sorted(tasks, key=lambda task: task.seen_in_training)
        if (delivered, task.id) in found
    ]
    return {"model": delivered, "base": base, "level": level, "tasks": lines}


def named_models(inputs: list[Input]) -> dict[str, Path]:
    """Model folders by the name of the stage that made them, in the order of `needs`."""
    models: dict[str, Path] = {}
    for item in inputs:
        name = item.stage or "base"
        if name in models:
            raise DataError(f"two models are named {name}")
        models[name] = item.folder
    return models


def _answer(job: Job, worker: Worker, engine: Engine, task: Task, model: str, results: _Results) -> None:
    answers = engine.answer(task, plain=model in job.options["plain"], seed=job.seed)
    if answers.too_long:
        worker.warning(
            f"{model}, {task.id}: {answers.too_long} of {len(task.items)} prompts are longer than "
            f"{job.options['longest_prompt']} tokens and count as unanswered",
            code="too_long",
        )
    likeliest = (
        engine.likeliest_options(task)
        if job.options["option_likelihood"] and task.scoring == "choice"
        else None
    )
    _add(job, task, model, answers.predictions, likeliest, results)


def _add(
    job: Job,
    task: Task,
    model: str,
    predictions: list[Prediction],
    likeliest: list[str | None] | None,
    results: _Results,
) -> None:
    verdicts = strict_verdicts(task, predictions)
    results.verdicts[model, task.id] = verdicts
    results.rows.append(score_row(task, model, predictions, verdicts, likeliest=likeliest, seed=job.seed))
    write_predictions(results.folder / model, task.id, predictions)
    results.shown += [
        {
            "model": model,
            "task": task.id,
            "prompt": item.prompt,
            "prediction": item.prediction,
            "gold": item.gold,
        }
        for item in predictions[: job.options["shown"]]
    ]


def _perplexity(
    job: Job,
    worker: Worker,
    engine: Engine,
    model: str,
    folder: Path,
    scorers: dict[tuple[int, str], HeldOut],
    results: _Results,
) -> None:
    corpus = job.find_input("corpus")
    if corpus is None or engine.tokenizer is None:
        return
    # One a network and tokenizer: its graph is compiled once, and it sees the weights that are loaded now.
    key = (id(engine), file_sha256(folder / "tokenizer.json"))
    if key not in scorers:
        scorers[key] = HeldOut(
            engine.network, engine.tokenizer, corpus, job.options["heldout"], seed=job.seed
        )
    results.perplexities[model] = scorers[key].measure(counting(worker, scorers[key], f"with {model}"))


def _score_file(job: Job, path: Path, label: str, tasks: list[Task], results: _Results) -> None:
    """Predictions made elsewhere; a task the file does not name is left out, a missing item is unanswered."""
    given = read_predictions(path)
    for task in tasks:
        mine = given.get(task.id, given.get(""))
        if mine is None:
            continue
        predictions = [
            Prediction(id=item.id, prompt="", prediction=mine.get(item.id, ""), gold=item.answer)
            for item in task.items
        ]
        _add(job, task, label, predictions, None, results)


def _write(
    worker: Worker,
    suite: dict[str, Any],
    results: _Results,
    models: list[str],
    *,
    tasks: int,
    verdict: dict[str, Any] | None,
) -> None:
    worker.phase("saving", f"scores of {len(results.rows):,} tasks and models")
    split = worker.job.shards > 1
    for model in models:
        scores = {row["task"]: {"score": row["compatible"]} for row in results.rows if row["model"] == model}
        if scores or not split:
            write_json(results.folder / model / "result.json", scores)
    report = {
        "suite": {name: suite.get(name) for name in ("name", "about")},
        "models": models,
        "tasks": before_and_after(results.rows, models),
        "forgetting": forgetting(results.perplexities),
        "verdict": verdict,
    }
    write_json(results.folder / "report.json", {**report, "rows": results.rows, "answers": results.shown})
    worker.commit("evaluation", meta={"suite": report["suite"]["name"], "models": models})
    worker.finish(
        metrics={
            "models": len(models),
            "tasks": tasks,
            "items": sum(row["items"] for row in results.rows),
            **verdict_metrics(verdict),
            **metrics_of(results.rows, results.perplexities),
        },
        summary={**report, "answers": results.shown},
    )
