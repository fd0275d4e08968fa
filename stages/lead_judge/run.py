"""lead-judge: quality control of refined traces, and the samples that pass it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from statistics import fmean
from typing import Any

from stages._lead.ask_all import ask_all
from stages._lead.config import complete_lead
from stages._lead.inputs import documents_of, rows_of
from stages._lead.losses import check_losses
from stages._worker import jsonl
from stages._worker.data.samples import GENERAL, REPORT, SAMPLES, check_tasks, trim_pools
from stages._worker.job import Job
from stages._worker.protocol import main
from stages._worker.worker import Worker
from stages.lead_judge.heuristics import Heuristics
from stages.lead_judge.judge import AXES, judge, lowest_axis
from stages.lead_judge.samples import general_samples, to_sample

Placed = tuple[int, dict[str, Any]]
"""A sample and its place among the samples of all shards."""


def run(job: Job, worker: Worker) -> None:
    """Judges the training rows; held-out rows only have to be whole, so that they are not a chosen lot.

    Every shard looks at all rows, so that what was said before is known in each, and judges its share of what is left.
    """
    config = complete_lead(job.options["lead"])
    worker.phase("loading", "refined traces, and those that are whole")
    judged, heldout, dropped = _whole_rows(config, job)
    mine = judged[job.shard :: job.shards]
    marks, asked = ask_all(
        config,
        "judge",
        mine,
        lambda client, row: judge(config, client, row),
        job=job,
        worker=worker,
        unit="samples",
    )
    check_losses(job.stage, sum(each is None for each in marks), len(mine), config["max_lost_share"])
    samples: list[Placed] = []
    for number, (row, each) in enumerate(zip(mine, marks, strict=True)):
        why = _refuse(each, config["quality"]["lowest"])
        if why is None:
            samples.append((job.shard + number * job.shards, to_sample(row, each)))
        else:
            dropped[why] += 1
    samples += [
        (len(judged) + place, to_sample(heldout[place], None))
        for place in range(job.shard, len(heldout), job.shards)
    ]
    tasks = {name: {"pool": task["pool"]} for name, task in config["tasks"].items()}
    if job.shards == 1:  # of a split stage only the reader of all shards knows
        rows = [sample for _, sample in samples]
        for sentence in trim_pools(tasks, rows):
            worker.warning(sentence, code="short_pool")
        check_tasks(tasks, rows)
    known = [each for each in marks if each is not None]
    report = _report(config, [sample for _, sample in samples], dropped, known, asked)
    if job.shards > 1:
        report |= {"shard": job.shard, "shards": job.shards, "tasks": tasks}
    _write(config, samples, report, len(known), job, worker)


def _whole_rows(
    config: dict[str, Any], job: Job
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], Counter[str]]:
    """Training and held-out rows that the heuristics pass, of all shards, and why those of this shard were dropped."""
    heuristics = Heuristics(config["tasks"], config["quality"]["length_slack"])
    dropped: Counter[str] = Counter()
    whole = []
    for number, row in enumerate(rows_of(job, "refined")):
        why = heuristics.refuse(row)
        if why is None:
            whole.append(row)
        elif number % job.shards == job.shard:
            dropped[why] += 1
    judged = [row for row in whole if row["split"] == "train"]
    return judged, [row for row in whole if row["split"] == "heldout"], dropped


def _refuse(marks: dict[str, float] | None, lowest: float) -> str | None:
    if marks is None:
        return "bad_reply"
    axis = lowest_axis(marks)
    return f"judge:{axis}" if marks[axis] < lowest else None


def _report(
    config: dict[str, Any],
    samples: list[dict[str, Any]],
    dropped: Counter[str],
    marks: list[dict[str, float]],
    asked: dict[str, Any],
) -> dict[str, Any]:
    counts = Counter((sample["task"], sample["split"]) for sample in samples)
    return {
        "version": 1,
        "judge": asked,
        "lowest": config["quality"]["lowest"],
        "samples": {f"{task}/{split}": count for (task, split), count in sorted(counts.items())},
        "pools": dict(Counter(sample["pool"] for sample in samples if sample["pool"] is not None)),
        "dropped": dict(sorted(dropped.items())),
        "mean_marks": {axis: round(fmean(each[axis] for each in marks), 3) for axis in AXES} if marks else {},
    }


def _write(
    config: dict[str, Any],
    samples: list[Placed],
    report: dict[str, Any],
    judged: int,
    job: Job,
    worker: Worker,
) -> None:
    worker.phase("saving", f"{len(samples):,} samples")
    folder = worker.stage_output("samples")
    every = enumerate(general_samples(documents_of(job, "train", "general"), config["general"], job.seed))
    general = [(place, sample) for place, sample in every if place % job.shards == job.shard]
    jsonl.write(folder / SAMPLES, _rows(samples, job))
    jsonl.write(folder / GENERAL, _rows(general, job))
    report["general"] = len(general)
    jsonl.write_json(folder / REPORT, report)
    worker.commit("samples", meta={"samples": report["samples"], "judge": report["judge"]})
    train = sum(sample["split"] == "train" for _, sample in samples)
    metrics = {
        "train_samples": train,
        "heldout_samples": len(samples) - train,
        "general_samples": len(general),
        "judged": judged,
        "dropped": sum(report["dropped"].values()),
        "mean_overall": report["mean_marks"].get("overall"),
    }
    worker.finish(metrics=metrics, summary=report)


def _rows(placed: list[Placed], job: Job) -> Iterator[dict[str, Any]]:
    """The rows, in a split stage with their place among those of all shards."""
    for place, row in placed:
        yield row if job.shards == 1 else {**row, "place": place}


if __name__ == "__main__":
    main(run)
