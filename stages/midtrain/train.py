"""Mid-training in the planned order, with the shared training loop."""

from __future__ import annotations

from stages._worker.inference.heldout import HeldOut, counting
from stages._worker.job import Job
from stages._worker.model.folder import load_model
from stages._worker.training.document_loss import choose_loss
from stages._worker.training.finish import commit_model
from stages._worker.training.parted.choose import choose_step
from stages._worker.training.ranks.start import start_device
from stages._worker.training.trainer import Trainer, identity_of
from stages._worker.worker import Worker
from stages.midtrain.cell_losses import CellLosses
from stages.midtrain.measured import midtrain_metrics
from stages.midtrain.planned import read_planned


def train_in_order(job: Job, worker: Worker) -> None:
    """The whole stage."""
    options = job.options
    worker.phase("loading", "the planned order, its packed data and the model")
    planned = read_planned(job)
    packed, order = planned.packed, planned.order
    length = packed.sequence_length
    rank = start_device()
    base = job.input("model")
    width = max(length, options["heldout"]["tokens"])
    network, tokenizer = load_model(base, max_length=width)
    planned.check_vocabulary(network.config.vocab_size)
    planned.check_tokenizer(tokenizer)
    heldout = HeldOut(network, tokenizer, job.input("corpus"), options["heldout"])
    before = heldout.measure(counting(worker, heldout, "before training")) if rank[0] == 0 else {}
    worker.raise_if_stopping()

    loss = choose_loss(network, options["attention"], end_of_document=packed.facts["endOfDocument"])
    losses = CellLosses(worker, packed, order, options["log_every"])
    trainer = Trainer(
        worker=worker,
        network=network,
        step=choose_step(loss.cell, options, rank=rank),
        schedule=planned.schedule,
        rows=order.rows,
        batch=lambda step, part: loss.inputs(packed.rows(order.rows(step)[part])),
        tokens_per_step=order.batch * length,
        settings=identity_of(job, steps=order.steps, batch=order.batch, sequenceLength=length),
        order_sha256=order.sha256,
        observe=losses.observe,
        log_every=options["log_every"],
    )
    trainer.run()
    if rank[0] != 0:
        return
    after = heldout.measure(counting(worker, heldout, "after training"))
    metrics = midtrain_metrics(before, after, tokens=order.steps * order.batch * length)
    summary = {
        "orderSha256": order.sha256,
        "ledger": trainer.ledger_head,
        "passes": order.facts["passes"],
        **trainer.amendment,
        **trainer.skipped(),
    }
    commit_model(
        worker, network, tokenizer_from=base, metrics=metrics, summary=summary, meta=trainer.amendment
    )
