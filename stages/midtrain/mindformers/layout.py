"""How a job lies on NPUs: sizes of the parallel groups and of a rank's batch, or why it does not fit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from stages._worker.failures import UserError
from stages._worker.model.config import Qwen3Config


@dataclass(kw_only=True, slots=True, frozen=True)
class Layout:
    """Sizes of groups; data x tensor x pipeline x context is the number of NPUs."""

    nodes: int
    npus: int
    """NPUs of a node."""
    data: int
    tensor: int
    pipeline: int
    context: int
    micro_batches: int
    sequences: int
    """Sequences of one micro-batch of one data-parallel rank."""
    sequence_length: int
    recompute: bool

    @property
    def world(self) -> int:
        """NPUs of all nodes."""
        return self.nodes * self.npus

    @property
    def global_batch(self) -> int:
        """Sequences of one update."""
        return self.data * self.micro_batches * self.sequences

    def cut(self) -> dict[str, int]:
        """The sizes that decide which rank holds which part of which tensor."""
        names = ("nodes", "npus", "data", "tensor", "pipeline", "context")
        return {name: getattr(self, name) for name in names}

    def data_rank(self, rank: int) -> int:
        """Which of the `data` shards of a batch a rank reads: ranks count tensor and context first, then data,
        then pipeline."""
        stage = self.world // self.pipeline
        return rank % stage // (stage // self.data)


def lay_out(
    model: Qwen3Config,
    parallel: dict[str, Any],
    resources: dict[str, Any],
    *,
    batch: int,
    sequence_length: int,
) -> Layout:
    """The layout of a job. Raises one UserError with everything that does not fit, each with its place and fix."""
    nodes, npus = resources.get("nodes", 1), resources.get("npus", 0)
    if nodes < 1 or npus < 1:
        raise UserError(
            f"resources: {nodes} nodes x {npus} NPUs; the MindFormers trainer needs at least one NPU: "
            "set resources.npus"
        )
    tensor, pipeline, context = parallel["tensor"], parallel["pipeline"], parallel["context"]
    problems = _model_problems(model, parallel, sequence_length)
    if npus % tensor:
        problems.append(
            f"parallel.tensor {tensor} does not divide the {npus} NPUs of a node, a matrix would be cut over "
            "nodes: set parallel.tensor to 8 or 1"
        )
    world, cut = nodes * npus, tensor * pipeline * context
    data = world // cut
    if world % cut:
        problems.append(
            f"resources: {nodes} nodes x {npus} NPUs are {world}, no multiple of tensor {tensor} x pipeline "
            f"{pipeline} x context {context} = {cut}: change resources.nodes or parallel"
        )
    else:
        problems += _batch_problems(batch, data, parallel["micro_batches"])
    if problems:
        raise UserError("with.parallel: " + "; ".join(problems))
    return Layout(
        nodes=nodes,
        npus=npus,
        data=data,
        tensor=tensor,
        pipeline=pipeline,
        context=context,
        micro_batches=parallel["micro_batches"],
        sequences=batch // (data * parallel["micro_batches"]),
        sequence_length=sequence_length,
        recompute=parallel["recompute"],
    )


def _model_problems(model: Qwen3Config, parallel: dict[str, Any], sequence_length: int) -> list[str]:
    tensor, pipeline, context = parallel["tensor"], parallel["pipeline"], parallel["context"]
    problems = [
        f"{name} {getattr(model, name)} is no multiple of parallel.tensor {tensor}: "
        f"set parallel.tensor to one of {_divisors(getattr(model, name), 8)}"
        for name in (
            "num_attention_heads",
            "num_key_value_heads",
            "hidden_size",
            "intermediate_size",
            "vocab_size",
        )
        if getattr(model, name) % tensor
    ]
    if model.num_hidden_layers % pipeline:
        problems.append(
            f"num_hidden_layers {model.num_hidden_layers} is no multiple of parallel.pipeline {pipeline}: "
            f"set parallel.pipeline to one of {_divisors(model.num_hidden_layers, 16)}"
        )
    if parallel["micro_batches"] < pipeline:
        problems.append(
            f"parallel.micro_batches {parallel['micro_batches']} is below parallel.pipeline {pipeline}, stages "
            f"would stand idle: set parallel.micro_batches to at least {pipeline}"
        )
    if sequence_length % (context * tensor):
        problems.append(
            f"sequences of {sequence_length} tokens cannot be cut into context {context} x tensor {tensor} parts: "
            "change parallel.context, or pack again with another sequence length"
        )
    if sequence_length > model.max_position_embeddings:
        problems.append(
            f"sequences of {sequence_length} tokens are longer than max_position_embeddings "
            f"{model.max_position_embeddings}: pack again with shorter ones"
        )
    return problems


def _batch_problems(batch: int, data: int, micro_batches: int) -> list[str]:
    share = data * micro_batches
    if batch % share == 0:
        return []
    below, above = batch // share * share, (batch // share + 1) * share
    near = f"{below} or {above}" if below else f"{above}"
    return [
        f"batch {batch} is no multiple of {data} data-parallel ranks x {micro_batches} micro-batches = {share}: "
        f"set with.batch to {near}, or change parallel.micro_batches"
    ]


def _divisors(number: int, up_to: int) -> list[int]:
    return [size for size in range(1, up_to + 1) if number % size == 0]
