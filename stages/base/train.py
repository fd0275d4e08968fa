"""Training from scratch: tokenizer, packing in memory, the shared training loop."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from stages._worker.artifacts import file_sha256
from stages._worker.data.documents import groups_of, read_documents
from stages._worker.data.packing import PackingCounts, pack_documents
from stages._worker.data.tokenizer import Tokenizer, train_tokenizer
from stages._worker.failures import DataError
from stages._worker.inference.heldout import HeldOut, counting, training_metrics
from stages._worker.job import Job
from stages._worker.model.config import config_from
from stages._worker.model.qwen3 import Qwen3ForCausalLM
from stages._worker.model.weights import initialise
from stages._worker.training.document_loss import choose_loss
from stages._worker.training.finish import commit_model
from stages._worker.training.parted.choose import choose_step
from stages._worker.training.ranks.place import ranks_folder
from stages._worker.training.ranks.start import start_device
from stages._worker.training.schedule import Schedule
from stages._worker.training.trainer import Trainer, identity_of
from stages._worker.worker import Worker
from stages.base.mixture import plan_mixture


def train_base(job: Job, worker: Worker) -> None:
    """The whole stage."""
    options = job.options
    worker.phase("loading", f"training the tokenizer on {options['tokenizer_characters']:,} characters")
    rank = start_device()
    corpus = job.input("corpus")
    config = config_from(job.model, where=f"configs/models/{job.model.get('name')}.yaml")
    folder = worker.stage_output("model") if rank[0] == 0 else ranks_folder(job.folder) / f"model-{rank[0]}"
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = train_tokenizer(
        _sample(corpus, options["tokenizer_characters"]), size=config.vocab_size, folder=folder
    )
    worker.raise_if_stopping()
    worker.phase("loading", "packing the documents of the corpus")
    entries, counts = _pack(corpus, tokenizer, options)
    length, batch = options["sequence_length"], options["batch"]
    steps = options["steps"] or math.ceil(options["tokens"] / (batch * length))
    groups = list(entries)
    mixture = plan_mixture(
        [len(entries[group]) for group in groups],
        [options["shares"][group] for group in groups],
        places=steps * batch,
        seed=job.seed,
    )
    firsts = np.cumsum([0, *(len(entries[group]) for group in groups)])
    data = np.concatenate([entries[group] for group in groups])
    rows = firsts[mixture.groups] + mixture.indices

    network = Qwen3ForCausalLM(config)
    deviation = job.model.get("initializer_range", 0.02)
    linear = job.model.get("linear_initializer_range", deviation)
    initialise(network, seed=job.seed, linear_std=linear, embedding_std=deviation)
    heldout = HeldOut(network, tokenizer, corpus, options["heldout"])
    before = heldout.measure(counting(worker, heldout, "before training")) if rank[0] == 0 else {}
    loss = choose_loss(network, options["attention"], end_of_document=tokenizer.end_of_text)
    trainer = Trainer(
        worker=worker,
        network=network,
        step=choose_step(loss.cell, options, rank=rank),
        schedule=Schedule(steps=steps, **options["schedule"]),
        rows=lambda step: rows[step * batch : (step + 1) * batch],
        batch=lambda step, part: loss.inputs(data[rows[step * batch : (step + 1) * batch][part]]),
        tokens_per_step=batch * length,
        settings=identity_of(job, model=job.model, tokenizer=file_sha256(folder / "tokenizer.json")),
        order_sha256=mixture.sha256(),
        log_every=options["log_every"],
    )
    trainer.run()
    if rank[0] != 0:
        return
    after = heldout.measure(counting(worker, heldout, "after training"))
    metrics = training_metrics(before["loss"], after["loss"], after) | {
        "tokens": steps * batch * length,
        "parameters": config.parameter_count(),
    }
    summary = {
        "groups": [
            {
                "group": group,
                "entries": len(entries[group]),
                "documents": counts[group].documents,
                "passes": passes,
            }
            for group, passes in zip(groups, mixture.passes, strict=True)
        ],
        "vocabulary": len(tokenizer),
        **trainer.skipped(),
    }
    commit_model(worker, network, tokenizer_from=folder, metrics=metrics, summary=summary)


def _sample(corpus: Path, characters: int) -> Iterator[str]:
    """Base documents of every group, the same number of characters of each."""
    groups = groups_of(corpus, "base")
    for group in groups:
        left = characters // len(groups)
        for document in read_documents(corpus, "base", group):
            if left <= 0:
                break
            yield document["text"][:left]
            left -= len(document["text"])


def _pack(
    corpus: Path, tokenizer: Tokenizer, options: dict[str, object]
) -> tuple[dict[str, np.ndarray], dict[str, PackingCounts]]:
    """Entries of S+1 tokens by group, for the groups that have a share."""
    entries: dict[str, np.ndarray] = {}
    counts: dict[str, PackingCounts] = {}
    for group, share in options["shares"].items():
        if share == 0:
            continue
        if group not in groups_of(corpus, "base"):
            raise DataError(f"shares names the group '{group}', but the corpus has no base documents of it")
        counts[group] = PackingCounts()
        texts = [document["text"] for document in read_documents(corpus, "base", group)]
        packed = list(
            pack_documents(
                tokenizer.encode_batch(texts),
                length=options["sequence_length"] + 1,
                end_of_document=tokenizer.end_of_text,
                max_documents=options["max_docs_per_sequence"],
                counts=counts[group],
            )
        )
        if not packed:
            raise DataError(f"the base documents of {group} do not fill one sequence")
        entries[group] = np.stack(packed)
    return entries, counts
