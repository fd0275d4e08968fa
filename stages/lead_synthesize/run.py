"""lead-synthesize: five-node reasoning of the teacher over every prompt, with retrieval of statutes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from stages._lead.ask_all import ask_all
from stages._lead.config import complete_lead
from stages._lead.inputs import documents_of, own_share, rows_of
from stages._lead.knowledge import KnowledgeBase
from stages._lead.losses import check_losses
from stages._worker import jsonl
from stages._worker.failures import UserError
from stages._worker.job import Job
from stages._worker.protocol import main
from stages._worker.worker import Worker
from stages.lead_synthesize.chain import synthesize


def run(job: Job, worker: Worker) -> None:
    """Writes the trajectories of this shard's prompts."""
    config = complete_lead(job.options["lead"])
    worker.phase("loading", "prompts and statutes")
    prompts = own_share(job, rows_of(job, "prompts"))
    unknown = sorted({prompt["task"] for prompt in prompts} - set(config["tasks"]))
    if unknown:
        raise UserError(
            f"the prompts have tasks that configs/lead/{config['name']}.yaml lacks: {', '.join(unknown)}"
        )
    knowledge = KnowledgeBase(_articles(job))
    results, asked = ask_all(
        config,
        "teacher",
        prompts,
        lambda client, prompt: synthesize(config, client, knowledge, prompt),
        job=job,
        worker=worker,
        unit="prompts",
    )
    trajectories = [result for result in results if result is not None]
    dropped = len(prompts) - len(trajectories)
    check_losses(job.stage, dropped, len(prompts), config["max_lost_share"])
    worker.phase("saving", f"{len(trajectories):,} trajectories")
    folder = worker.stage_output("trajectories")
    report = {
        "version": 1,
        "model": asked,
        "knowledge_base": len(knowledge),
        "prompts": len(prompts),
        "trajectories": len(trajectories),
        "dropped": {"bad_reply": dropped} if dropped else {},
        "flags": dict(Counter(flag for row in trajectories for flag in row["flags"])),
    }
    jsonl.write(folder / "trajectories.jsonl", trajectories)
    jsonl.write_json(folder / "report.json", report)
    worker.commit("trajectories", meta={"trajectories": len(trajectories), "teacher": asked})
    worker.finish(metrics={"trajectories": len(trajectories), "dropped": dropped}, summary=report)


def _articles(job: Job) -> Iterator[dict[str, Any]]:
    for split in ("base", "train", "heldout"):
        if (job.input("corpus") / "documents" / split / "legal.jsonl").is_file():
            for document in documents_of(job, split):
                if "article" in document["meta"]:
                    yield {"split": split, **{key: document[key] for key in ("id", "title", "text")}}


if __name__ == "__main__":
    main(run)
