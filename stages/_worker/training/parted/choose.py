"""The step a stage's options ask for: one graph where that is enough."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from mindspore import nn

from stages._worker.training.adamw import AdamWSettings
from stages._worker.training.parted.parted_step import ONE_RANK, PartedStep
from stages._worker.training.parted.spike_guard import spike_guard
from stages._worker.training.train_step import TrainStep


def choose_step(
    loss: nn.Cell, options: Mapping[str, Any], *, rank: tuple[int, int] = ONE_RANK
) -> TrainStep | PartedStep:
    """`options` of a stage with `optimizer`, `trainer` and `spike`; `rank` is which one of how many."""
    settings = AdamWSettings(**options["optimizer"])
    guard = spike_guard(options["spike"])
    micro_batch = options["trainer"]["micro_batch"]
    if options["trainer"]["recompute"]:
        loss.network.recompute_layers()
    if guard is None and micro_batch is None and rank == ONE_RANK:
        return TrainStep(loss, settings, graph=_graph_of(loss, recompute=options["trainer"]["recompute"]))
    return PartedStep(loss, settings, micro_batch=micro_batch, guard=guard, rank=rank)


def _graph_of(loss: nn.Cell, *, recompute: bool) -> dict[str, Any]:
    """What decides the graph of a loss over a Qwen3 that has no options of its own."""
    network = loss.network
    kind = f"{type(loss).__module__}.{type(loss).__qualname__}"
    return {
        "loss": kind,
        "model": asdict(network.config),
        "longest": network.max_length,
        "recompute": recompute,
    }
