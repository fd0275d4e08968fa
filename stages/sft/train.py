"""Supervised fine-tuning: samples -> chat form -> packed rows -> updates -> a model, measured before and after."""

from pathlib import Path
from typing import Any

import numpy as np

from stages._worker.data.replay import read_replay
from stages._worker.data.tokenizer import load_tokenizer
from stages._worker.failures import DataError
from stages._worker.inference.bootstrap import Interval
from stages._worker.inference.heldout import HeldOut, counting, interval_metrics, training_metrics
from stages._worker.job import Job
from stages._worker.model import device
from stages._worker.model.folder import load_model
from stages._worker.model.qwen3 import Qwen3ForCausalLM
from stages._worker.training.finish import commit_model
from stages._worker.training.parted.choose import choose_step
from stages._worker.training.schedule import Schedule
from stages._worker.training.trainer import Trainer
from stages._worker.worker import Worker
from stages.sft.data import Plan, Samples, plan_training, read_training_samples, tokenise_all
from stages.sft.heldout_loss import HeldoutLoss
from stages.sft.loss import AnswerLoss
from stages.sft.think_check import FEWEST_PROMPTS, ThinkCheck, check_think_form


def train_sft(job: Job, worker: Worker) -> None:
    """One attempt: measure, train, measure again, commit the model."""
    options = job.options
    worker.phase("loading", "the samples, as tokens")
    device.set_up()
    source = job.input("model")
    tokenizer = load_tokenizer(source)
    training, heldout = _samples(job.input_folders("samples"), source, options)
    replay = read_replay(
        job.find_input("corpus"), tokenizer, options["replay"], length=options["length"], seed=job.seed
    )
    plan, steps = plan_training(
        training,
        replay,
        options=options,
        seed=job.seed,
        padding=tokenizer.end_of_text,
        steps=options["steps"],
    )
    worker.phase("loading", f"the model, to train on {len(training.rows):,} samples")
    network, _ = load_model(source, max_length=max(options["length"], options["heldout"]["tokens"]))
    loss = AnswerLoss(network)
    check = HeldoutLoss(
        loss,
        heldout,
        most=options["checks"]["samples"],
        batch=options["batch"],
        length=options["length"],
        padding=tokenizer.end_of_text,
    )
    worker.phase("compiling", f"held-out loss of {len(check):,} samples before training")
    before = check.measure(job.seed)
    trainer = _train(job, worker, network, loss, plan, steps)
    worker.phase("loading", f"measuring {len(check):,} held-out samples after training")
    after = check.measure(job.seed)
    worker.phase("loading", "answering held-out prompts to check the form of thinking")
    think = check_think_form(network, tokenizer, heldout, options=options["checks"], seed=job.seed)
    perplexities = _perplexities(job, worker, network, tokenizer)

    metrics = training_metrics(before, after, perplexities) | _think_metrics(think)
    _warn(worker, think, training)
    commit_model(
        worker,
        network,
        tokenizer_from=source,
        metrics=metrics,
        summary=_summary(plan, steps, training, heldout, think) | trainer.skipped(),
    )


def _samples(folders: list[Path], model: Path, options: dict[str, Any]) -> tuple[Samples, Samples]:
    tokenizer = load_tokenizer(model)
    rows = read_training_samples(folders)
    parts = []
    for split in ("train", "heldout"):
        chosen = [row for row in rows if row.get("split", "train") == split]
        made = tokenise_all(chosen, tokenizer, length=options["length"])
        if not made.rows:
            raise DataError(
                f"{folders[0]}: no {split} sample fits {options['length']} tokens ({len(chosen)} there)"
            )
        if made.dropped > options["longest_share_dropped"] * len(chosen):
            raise DataError(
                f"{folders[0]}: {made.dropped} of {len(chosen)} {split} samples are longer than "
                f"{options['length']} tokens",
                hint="raise with.length, or with.longest_share_dropped when that is meant",
            )
        parts.append(made)
    return parts[0], parts[1]


def _train(
    job: Job, worker: Worker, network: Qwen3ForCausalLM, loss: AnswerLoss, plan: Plan, steps: int
) -> Trainer:
    options = job.options
    batch = options["batch"]
    trainer = Trainer(
        worker=worker,
        network=network,
        step=choose_step(loss, options),
        schedule=Schedule(steps=steps, **options["schedule"]),
        rows=lambda step: np.arange(step * batch, (step + 1) * batch, dtype=np.uint32),
        batch=lambda step, part: plan.batch(range(step * batch, (step + 1) * batch)[part]),
        tokens_per_step=batch * options["length"],
        settings={
            "kind": "sft",
            "seed": job.seed,
            "steps": steps,
            **{name: options[name] for name in ("batch", "length", "boundaries", "mix", "mix_by", "replay")},
            **{name: options[name] for name in ("schedule", "optimizer", "spike")},
            "micro_batch": options["trainer"]["micro_batch"],
        },
        order_sha256=plan.order_sha256(),
        log_every=options["log_every"],
    )
    trainer.run()
    return trainer


def _perplexities(job: Job, worker: Worker, network: Qwen3ForCausalLM, tokenizer: Any) -> dict[str, Interval]:
    corpus = job.find_input("corpus")
    if corpus is None:
        return {}
    heldout = HeldOut(network, tokenizer, corpus, job.options["heldout"], seed=job.seed)
    return heldout.measure(counting(worker, heldout, "after training"))


def _think_metrics(think: ThinkCheck | None) -> dict[str, float]:
    if think is None:
        return {}
    return interval_metrics("think_share", think.share) | {"think_prompts": think.prompts}


def _warn(worker: Worker, think: ThinkCheck | None, training: Samples) -> None:
    asked = 0 if think is None else think.prompts
    if asked < FEWEST_PROMPTS:
        worker.warning(
            f"think_share is measured on {asked} held-out prompts; {FEWEST_PROMPTS} are the least that say much",
            code="few_prompts",
        )
    if training.dropped:
        worker.warning(f"{training.dropped} training samples are too long for a row", code="too_long")


def _summary(
    plan: Plan, steps: int, training: Samples, heldout: Samples, think: ThinkCheck | None
) -> dict[str, Any]:
    return {
        "steps": steps,
        "training_samples": len(training.rows),
        "heldout_samples": len(heldout.rows),
        "too_long": {"train": training.dropped, "heldout": heldout.dropped},
        "mix": plan.shares,
        "tokens": plan.counted,
        "boundaries": plan.boundaries,
        "filled": plan.fill_share(),
        "answers": [] if think is None else think.shown,
    }
