"""lead-refine: from trajectories to one closed-book trace and answer each."""

from __future__ import annotations

from collections import Counter

from stages._lead.ask_all import ask_all
from stages._lead.config import complete_lead
from stages._lead.inputs import own_share, rows_of
from stages._lead.losses import check_losses
from stages._worker import jsonl
from stages._worker.job import Job
from stages._worker.protocol import main
from stages._worker.worker import Worker
from stages.lead_refine.refine import refine


def run(job: Job, worker: Worker) -> None:
    """Refines this shard's trajectories."""
    config = complete_lead(job.options["lead"])
    worker.phase("loading", "trajectories")
    trajectories = own_share(job, rows_of(job, "trajectories"))
    results, asked = ask_all(
        config,
        "teacher",
        trajectories,
        lambda client, trajectory: refine(config, client, trajectory),
        job=job,
        worker=worker,
        unit="trajectories",
    )
    refined = [result for result in results if result is not None]
    dropped = len(trajectories) - len(refined)
    check_losses(job.stage, dropped, len(trajectories), config["max_lost_share"])
    worker.phase("saving", f"{len(refined):,} refined traces")
    folder = worker.stage_output("refined")
    report = {
        "version": 1,
        "model": asked,
        "trajectories": len(trajectories),
        "refined": len(refined),
        "dropped": {"bad_reply": dropped} if dropped else {},
        "flags": dict(Counter(flag for row in refined for flag in row["flags"])),
    }
    jsonl.write(folder / "refined.jsonl", refined)
    jsonl.write_json(folder / "report.json", report)
    worker.commit("refined", meta={"refined": len(refined), "teacher": asked})
    worker.finish(metrics={"refined": len(refined), "dropped": dropped}, summary=report)


if __name__ == "__main__":
    main(run)
