"""The end of a stage that trains: the model as an artifact, with its numbers inside."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from stages._worker.model.folder import save_model
from stages._worker.model.history import model_facts
from stages._worker.model.qwen3 import Qwen3ForCausalLM
from stages._worker.model.weights import weights_of
from stages._worker.training.checkpoint import refuse_non_finite
from stages._worker.worker import Worker


def commit_model(
    worker: Worker,
    network: Qwen3ForCausalLM,
    *,
    tokenizer_from: Path,
    metrics: dict[str, float],
    summary: dict[str, Any],
    dtype: str = "float32",
    meta: dict[str, Any] | None = None,
) -> None:
    """Writes output/model, commits it and ends the attempt with `metrics`.

    `tokenizer_from` is the model folder the stage started from; what made that model stays in its history.
    `meta`: what the records keep of the model beside its size.
    """
    worker.phase("saving", f"model of {network.config.parameter_count():,} parameters")
    tensors = weights_of(network)
    refuse_non_finite({"model": tensors}, where="the trained model")
    save_model(
        worker.stage_output("model"),
        config=network.config,
        tensors=tensors,
        tokenizer_from=tokenizer_from,
        facts=model_facts(worker.job, tokenizer_from, metrics),
        dtype=dtype,
    )
    worker.commit("model", meta={"parameters": network.config.parameter_count(), **(meta or {})})
    worker.finish(metrics=metrics, summary=summary)
