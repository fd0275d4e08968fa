"""export: the model as a Hugging Face folder, with a card that says where every number and licence comes from."""

from __future__ import annotations

import json
from typing import Any

from stages._worker.data.samples import read_samples
from stages._worker.job import Job
from stages._worker.model.config import read_config
from stages._worker.model.folder import save_model
from stages._worker.model.history import history_of
from stages._worker.model.tensor_folder import FolderTensors
from stages._worker.protocol import main
from stages._worker.verdict import verdict_sentence
from stages._worker.worker import Worker
from stages.export.check import check_folder
from stages.export.model_card import Sources, model_card


def run(job: Job, worker: Worker) -> None:
    """Commits `delivery`."""
    options = job.options
    source = job.input("model")
    worker.phase("loading", "checking the model")
    check_folder(source)
    config = read_config(source)
    folder = worker.stage_output("delivery")
    worker.phase("saving", "the Hugging Face folder and its model card")
    history = history_of(source)
    facts = {"name": options["name"], "run": job.run, "history": history}
    save_model(
        folder,
        config=config,
        tensors=FolderTensors(source),
        tokenizer_from=source,
        facts=facts,
        dtype=options["dtype"],
        shard_bytes=options["shard_bytes"],
    )
    evaluations = _evaluations(job)
    verdict = _verdict(history, evaluations)
    sources = Sources(
        verdict=verdict,
        history=history,
        licenses=_licenses(job),
        teachers=_teachers(job),
        writers=_writers(job),
        evaluations=evaluations,
    )
    (folder / "README.md").write_text(model_card(options, config, sources), encoding="utf-8")
    parameters = check_folder(folder)
    size = sum(path.stat().st_size for path in folder.glob("*.safetensors"))
    worker.commit("delivery", meta={"name": options["name"], "parameters": parameters})
    worker.finish(
        metrics={"parameters": parameters, "bytes": size},
        summary={"stages": len(history), "verdict": {"sentence": verdict}},
    )


def _evaluations(job: Job) -> list[dict[str, Any]]:
    """The report of every evaluation, and of every shard of one."""
    paths = [item.folder / "report.json" for item in job.inputs_of("evaluation")]
    return [json.loads(path.read_text(encoding="utf-8")) for path in paths if path.is_file()]


def _verdict(history: list[dict[str, Any]], evaluations: list[dict[str, Any]]) -> str:
    """One sentence over all evaluations of this very model."""
    model = history[-1]["stage"] if history else "from outside"
    mine = [
        found for found in (told.get("verdict") for told in evaluations) if found and found["model"] == model
    ]
    if not mine:
        return f"Whether the delivered model ({model}) is better than its base cannot be told: it was not evaluated."
    lines = [line for found in mine for line in found["tasks"]]
    return verdict_sentence(model=model, base=mine[0]["base"], lines=lines, history=history)


def _json(job: Job, kind: str, name: str) -> Any:
    folder = job.find_input(kind)
    path = None if folder is None else folder / name
    return json.loads(path.read_text(encoding="utf-8")) if path is not None and path.is_file() else None


def _licenses(job: Job) -> list[dict[str, Any]]:
    """Licences of the corpus, and of what was written beside it; what several shards say is said once."""
    found = list(_json(job, "corpus", "licenses.json") or [])
    for item in job.inputs_of("synthetic"):
        entries = json.loads((item.folder / "licenses.json").read_text(encoding="utf-8"))
        found += [entry for entry in entries if entry not in found]
    return found


def _teachers(job: Job) -> list[dict[str, Any]]:
    """Every teacher that wrote training samples, once."""
    folders = [item.folder for item in job.inputs_of("samples")]
    found = {}
    for sample in read_samples(folders):
        teacher = sample.get("teacher") or {}
        found[json.dumps(teacher, sort_keys=True)] = teacher
    return [found[key] for key in sorted(found) if found[key]]


def _writers(job: Job) -> list[dict[str, Any]]:
    """Every teacher that wrote synthetic documents, once."""
    found = []
    for item in job.inputs_of("synthetic"):
        told = json.loads((item.folder / "report.json").read_text(encoding="utf-8"))["teacher"]
        writer = {name: told[name] for name in ("name", "revision", "stand_in")}
        found += [] if writer in found else [writer]
    return found


if __name__ == "__main__":
    main(run)
