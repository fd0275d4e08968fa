"""Handing the learner's weights to a rollout server, as a Hugging Face folder."""

import shutil

from stages._worker.model.folder import save_model
from stages._worker.model.qwen3 import Qwen3ForCausalLM
from stages._worker.model.weights import weights_of
from stages._worker.worker import Worker
from stages.rl.rollout import RolloutBackend

_KEPT = 2  # the server may still be reading the one before


def hand_over(backend: RolloutBackend, worker: Worker, network: Qwen3ForCausalLM, step: int) -> None:
    """Writes <attempt folder>/weights/step-<n> and has the back end load it; nothing for a back end that shares weights."""
    if not backend.needs_weights:
        return
    root = worker.job.folder / "weights"
    folder = root / f"step-{step}"
    save_model(
        folder,
        config=network.config,
        tensors=weights_of(network),
        tokenizer_from=worker.job.input("model"),
        facts={"step": step},
    )
    backend.load(folder)
    older = sorted(root.glob("step-*"), key=lambda path: int(path.name.removeprefix("step-")))
    for path in older[:-_KEPT]:
        shutil.rmtree(path)
