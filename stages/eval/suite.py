"""The tasks of an evaluation suite (configs/eval/*.yaml)."""

from pathlib import Path
from typing import Any

from stages._worker.data.documents import groups_of, read_documents
from stages._worker.data.samples import read_samples
from stages._worker.data.task_items import Item
from stages._worker.failures import DataError
from stages._worker.job import Job
from stages._worker.locations import resolve_data
from stages.eval.statute_questions import articles_of, make_tasks
from stages.eval.task import Task
from stages.eval.task_files import load_tasks

_CHOICE_TASKS = ("charge_choice",)


def suite_tasks(job: Job, suite: dict[str, Any]) -> list[Task]:
    """All tasks, in the order: made from statutes, samples, files."""
    tasks: list[Task] = []
    if suite["statutes"] is not None:
        tasks += _statute_tasks(job.input("corpus"), suite["statutes"], job.seed)
    if suite["samples"] is not None:
        tasks += sample_tasks(read_samples(job.input_folders("samples")), suite["samples"])
    for files in suite["files"]:
        tasks += load_tasks(
            resolve_data(files["folder"]),
            files["form"],
            only=files["tasks"],
            limit=files["limit"],
            few_shot=None if files["few_shot"] is None else resolve_data(files["few_shot"]),
        )
    if not tasks:
        raise DataError(f"the suite {suite['name']} has no task")
    names = [task.id for task in tasks]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DataError(f"the suite {suite['name']} has several tasks named {', '.join(twice)}")
    return tasks


def _statute_tasks(corpus: Path, options: dict[str, Any], seed: int) -> list[Task]:
    documents = [
        document
        for group in groups_of(corpus, "heldout")
        if group == "legal"
        for document in read_documents(corpus, "heldout", group)
    ]
    return make_tasks(
        articles_of(documents), seed=seed, items=options["items"], longest_text=options["longest_text"]
    )


def sample_tasks(samples: list[dict[str, Any]], options: dict[str, int]) -> list[Task]:
    """Prompts of the samples: `pool_<pool>` were seen in training, `heldout_<task>` were not."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for sample in samples:
        if sample.get("split") == "heldout":
            groups.setdefault(f"heldout_{sample['task']}", []).append(sample)
        elif sample.get("pool"):
            groups.setdefault(f"pool_{sample['pool']}", []).append(sample)
    tasks = []
    for name in sorted(groups):
        seen = name.startswith("pool_")
        chosen = groups[name][: options["pool" if seen else "heldout"]]
        if chosen:
            items = tuple(_item(number, sample) for number, sample in enumerate(chosen))
            scoring = "choice" if chosen[0]["task"] in _CHOICE_TASKS else "rouge_l"
            tasks.append(Task(id=name, form="message", scoring=scoring, items=items, seen_in_training=seen))
    return tasks


def _item(number: int, sample: dict[str, Any]) -> Item:
    answer = (sample.get("meta") or {}).get("answer") or sample.get("reference") or ""
    return Item(
        id=number,
        instruction="",
        question=sample["messages"][-2]["content"],
        answer=str(answer),
        source=str(sample["id"]),
    )
