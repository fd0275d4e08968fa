"""lead-judge: quality control of refined traces, and the samples that pass it."""

from __future__ import annotations

from collections import Counter
from statistics import fmean
from typing import Any

from stages._lead.ask_all import ask_all
from stages._lead.config import complete_lead
from stages._lead.inputs import documents_of, rows_of
from stages._lead.losses import check_losses
from stages._worker import jsonl
from stages._worker.failures import DataError
from stages._worker.job import Job
from stages._worker.protocol import main
from stages._worker.worker import Worker
from stages.lead_judge.heuristics import Heuristics
from stages.lead_judge.judge import AXES, judge, lowest_axis
from stages.lead_judge.pools import trim_pools
from stages.lead_judge.samples import general_samples, to_sample


def run(job: Job, worker: Worker) -> None:
    """Judges the training rows; held-out rows only have to be whole, so that they are not a chosen lot."""
    config = complete_lead(job.options["lead"])
    worker.phase("loading")
    heuristics = Heuristics(config["tasks"], config["quality"]["length_slack"])
    dropped: Counter[str] = Counter()
    whole = []
    for row in rows_of(job, "refined"):
        why = heuristics.refuse(row)
        if why is None:
            whole.append(row)
        else:
            dropped[why] += 1
    judged = [row for row in whole if row["split"] == "train"]
    marks, asked = ask_all(
        config,
        "judge",
        judged,
        lambda client, row: judge(config, client, row),
        job=job,
        worker=worker,
        unit="samples",
    )
    check_losses(job.stage, sum(each is None for each in marks), len(judged), config["max_lost_share"])
    samples = []
    for row, each in zip(judged, marks, strict=True):
        why = _refuse(each, config["quality"]["lowest"])
        if why is None:
            samples.append(to_sample(row, each))
        else:
            dropped[why] += 1
    samples += [to_sample(row, None) for row in whole if row["split"] == "heldout"]
    for sentence in trim_pools(config["tasks"], samples):
        worker.warning(sentence, code="short_pool")
    known = [each for each in marks if each is not None]
    report = _report(config, samples, dropped, known, asked)
    _check(config, samples, report)
    _write(config, samples, report, job, worker)


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


def _check(config: dict[str, Any], samples: list[dict[str, Any]], report: dict[str, Any]) -> None:
    for name in config["tasks"]:
        if f"{name}/train" not in report["samples"]:
            raise DataError(
                f"task {name}: no sample passed; dropped: {report['dropped']}",
                hint="look at quality.lowest and the marks in report.json",
            )


def _write(
    config: dict[str, Any], samples: list[dict[str, Any]], report: dict[str, Any], job: Job, worker: Worker
) -> None:
    worker.phase("saving")
    folder = worker.stage_output("samples")
    general = list(general_samples(documents_of(job, "train", "general"), config["general"], job.seed))
    jsonl.write(folder / "samples.jsonl", samples)
    jsonl.write(folder / "general.jsonl", general)
    report["general"] = len(general)
    jsonl.write_json(folder / "report.json", report)
    worker.commit("samples", meta={"samples": report["samples"], "judge": report["judge"]})
    train = sum(sample["split"] == "train" for sample in samples)
    metrics = {
        "train_samples": train,
        "heldout_samples": len(samples) - train,
        "general_samples": len(general),
        "dropped": sum(report["dropped"].values()),
        "mean_overall": report["mean_marks"].get("overall"),
    }
    worker.finish(metrics=metrics, summary=report)


if __name__ == "__main__":
    main(run)
