"""synthetic: expert multi-view samples and faithful rewrites of a teacher, as documents of the group synthetic."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import fmean
from typing import Any

from stages._lead.ask_all import ask_all
from stages._lead.inputs import documents_of
from stages._lead.losses import check_losses
from stages._worker import jsonl
from stages._worker.data.documents import SPLITS, documents_file
from stages._worker.failures import DataError
from stages._worker.job import Job
from stages._worker.protocol import main
from stages._worker.worker import Worker
from stages.synthetic.config import complete_synthetic
from stages.synthetic.faithfulness.articles import Statutes
from stages.synthetic.judging import AXES, judge_text
from stages.synthetic.plan import Plan, Wanted, make_plan, own_part
from stages.synthetic.results import write_results
from stages.synthetic.writing import Written, write_text

Marks = dict[int, dict[str, float] | None]


def run(job: Job, worker: Worker) -> None:
    """Asks for this shard's part of the plan, checks and judges what comes, and commits what stays."""
    config = complete_synthetic(job.options["synthetic"])
    worker.phase("loading", "a plan of texts, from the corpus")
    plan = make_plan(config, documents_of(job, "train"), job.seed)
    if plan.left_out:
        worker.warning(
            f"max_requests {config['max_requests']} pays for {len(plan.wanted)} texts: {plan.left_out} are left out",
            code="over_budget",
        )
    mine = own_part(plan.wanted, job.shard, job.shards)
    sources = _sources(job, mine)
    statutes = Statutes(_articles(job))
    worker.phase("training", f"writing {len(mine):,} texts")
    written, teacher = ask_all(
        config,
        "teacher",
        mine,
        lambda client, wanted: write_text(config, client, wanted, sources[wanted.document], statutes),
        job=job,
        worker=worker,
        unit="texts",
    )
    _check_lost(job, config, "bad_reply", written, len(written))
    marks, judge = _judge(config, written, job, worker)
    worker.phase("saving", f"{len(written):,} texts, and what was left out")
    folder = worker.stage_output("synthetic")
    told = write_results(folder, config, written, marks)
    summary = {"teacher": teacher, **told, **_told_of(judge, marks)}
    facts = {"version": 1, "config": config["name"], "statutes": len(statutes), "left_out": plan.left_out}
    jsonl.write_json(folder / "report.json", {**facts, **summary})
    _finish(config, summary, plan, len(marks), job, worker)


def _judge(
    config: dict[str, Any], written: list[Written], job: Job, worker: Worker
) -> tuple[Marks, dict[str, Any] | None]:
    """Marks of the texts that passed the check, by their place, and who gave them."""
    places = [place for place, each in enumerate(written) if each.fault is None]
    if config["quality"] is None or not places:
        return {}, None
    worker.phase("training", f"judging {len(places):,} texts")
    marks, judge = ask_all(
        {"judge": config["quality"]["judge"]},
        "judge",
        places,
        lambda client, place: judge_text(config, client, written[place]),
        job=job,
        worker=worker,
        unit="texts",
    )
    _check_lost(job, config, "judge:bad_reply", written, len(places))
    return dict(zip(places, marks, strict=True)), judge


def _check_lost(job: Job, config: dict[str, Any], reason: str, written: list[Written], of: int) -> None:
    lost = sum(each.fault is not None and each.fault.reason == reason for each in written)
    check_losses(job.stage, lost, of, config["max_lost_share"])


def _told_of(judge: dict[str, Any] | None, marks: Marks) -> dict[str, Any]:
    if judge is None:
        return {}
    known = [each for each in marks.values() if each is not None]
    return {
        "judge": judge,
        "mean_marks": {axis: round(fmean(each[axis] for each in known), 3) for axis in AXES},
    }


def _finish(
    config: dict[str, Any], summary: dict[str, Any], plan: Plan, judged: int, job: Job, worker: Worker
) -> None:
    counts = summary["splits"]["train"]["synthetic"]
    dropped = summary["dropped"]
    # Of a split stage another shard may have some: perplexity, which reads them all, says what is there.
    if counts["documents"] == 0 and job.shards == 1:
        raise DataError(
            f"none of {summary['asked']} texts is faithful; dropped because: {dropped}",
            hint=f"read {job.output / 'synthetic' / 'dropped.jsonl'}: is it the teacher, or are the limits too narrow?",
        )
    meta = {"config": config["name"], "splits": summary["splits"], "teacher": summary["teacher"]}
    worker.commit("synthetic", meta=meta)
    metrics = {
        "asked": summary["asked"],
        **counts,
        "judged": judged,
        "dropped": sum(dropped.values()),
        "stand_in_documents": summary["stand_in_documents"],
        "left_out": plan.left_out,
    }
    worker.finish(metrics=metrics, summary=summary)


def _sources(job: Job, wanted: list[Wanted]) -> dict[str, dict[str, Any]]:
    ids = {each.document for each in wanted}
    return {each["id"]: each for each in documents_of(job, "train") if each["id"] in ids}


def _articles(job: Job) -> Iterator[dict[str, Any]]:
    """Statutes of all splits; those held out exist, but what they say is nothing to quote."""
    for split in SPLITS:
        if documents_file(job.input("corpus"), split, "legal").is_file():
            for document in documents_of(job, split):
                yield {**document, "text": ""} if split == "heldout" else document


if __name__ == "__main__":
    main(run)
