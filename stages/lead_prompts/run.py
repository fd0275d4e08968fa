"""lead-prompts: from the corpus to a pool of scored questions, for training and held out."""

from __future__ import annotations

from collections import Counter
from typing import Any

from stages._lead.ask_all import ask_all
from stages._lead.config import complete_lead
from stages._lead.inputs import documents_of
from stages._lead.prompt import Prompt
from stages._worker import jsonl
from stages._worker.failures import DataError
from stages._worker.job import Job
from stages._worker.protocol import main
from stages._worker.worker import Worker
from stages.lead_prompts.candidate import Candidate
from stages.lead_prompts.collect import SPLITS, collect
from stages.lead_prompts.evaluate import needs_model, settle, settle_by_rules
from stages.lead_prompts.pools import mark_pool
from stages.lead_prompts.queries import queries_of


def run(job: Job, worker: Worker) -> None:
    """Collects, scores and selects the prompts of every task."""
    config = complete_lead(job.options["lead"])
    worker.phase("loading", f"collecting prompts of {len(config['tasks'])} tasks from the corpus")
    candidates = collect(config, lambda split: documents_of(job, split), job.seed)
    refusals, asked = _settle_all(config, candidates, job, worker)
    prompts, report = select(config, candidates, refusals)
    worker.phase("saving", f"{len(prompts):,} prompts")
    folder = worker.stage_output("prompts")
    jsonl.write(folder / "prompts.jsonl", (prompt.as_row() for prompt in prompts))
    jsonl.write_json(
        folder / "report.json", {"version": 1, "seed": job.seed, "model": asked, "tasks": report}
    )
    worker.commit("prompts", meta={"prompts": len(prompts)})
    metrics = {f"{split}_prompts": sum(prompt.split == split for prompt in prompts) for split in SPLITS}
    dropped = sum(sum(each["dropped"].values()) for each in report.values())
    worker.finish(metrics={**metrics, "dropped": dropped}, summary={"tasks": report, "model": asked})


def _settle_all(
    config: dict[str, Any], candidates: list[Candidate], job: Job, worker: Worker
) -> tuple[list[str | None], dict[str, Any] | None]:
    refusals: dict[int, str | None] = {}
    undecided = []
    for index, candidate in enumerate(candidates):
        if needs_model(config, candidate):
            undecided.append(index)
        else:
            refusals[index] = settle_by_rules(config, candidate)
    asked = None
    queries = queries_of(config)
    if undecided:
        results, asked = ask_all(
            config,
            "teacher",
            undecided,
            lambda client, index: settle(config, client, queries, candidates[index]),
            job=job,
            worker=worker,
            unit="prompts",
        )
        refusals.update(zip(undecided, results, strict=True))
        asked = {**asked, "candidates": len(undecided)}
    return [refusals[index] for index in range(len(candidates))], asked


def select(
    config: dict[str, Any], candidates: list[Candidate], refusals: list[str | None]
) -> tuple[list[Prompt], dict[str, Any]]:
    """The first prompts of every task and split that nothing refuses, with their pools, and a report.

    DataError for a task that has no training prompt, or fewer held-out ones than it must have.
    """
    chosen: list[Prompt] = []
    report: dict[str, Any] = {}
    for name, task in config["tasks"].items():
        mine = [(c.prompt, why) for c, why in zip(candidates, refusals, strict=True) if c.prompt.task == name]
        kept = {
            split: [prompt for prompt, why in mine if why is None and prompt.split == split][: task[split]]
            for split in SPLITS
        }
        if not kept["train"] or len(kept["heldout"]) < task["fewest_heldout"]:
            raise DataError(
                f"task {name}: {len(kept['train'])} prompts for training and {len(kept['heldout'])} held out; "
                f"at least 1 and {task['fewest_heldout']} are needed, of {len(mine)} candidates",
                hint="does the corpus have documents of the kind this task is made of, in both splits?",
            )
        if task["pool"] is not None:
            mark_pool(kept["train"], task["pool"]["name"], task["pool"]["size"] + task["pool"]["spare"])
        chosen += [*kept["train"], *kept["heldout"]]
        report[name] = {
            "candidates": len(mine),
            "dropped": dict(Counter(why for _, why in mine if why is not None)),
            "train": len(kept["train"]),
            "heldout": len(kept["heldout"]),
            "routes": dict(Counter(prompt.route for prompt in [*kept["train"], *kept["heldout"]])),
            "pool": [prompt.id for prompt in kept["train"] if prompt.pool is not None],
        }
    return chosen, report


if __name__ == "__main__":
    main(run)
