"""The whole RL stage: levels made ready, run to the end, measured, and the model committed."""

from typing import Any

from stages._worker.data.replay import read_replay
from stages._worker.data.samples import read_samples
from stages._worker.data.tokenizer import Tokenizer, load_tokenizer
from stages._worker.inference.heldout import HeldOut, counting, interval_metrics
from stages._worker.job import Job
from stages._worker.model import device
from stages._worker.model.folder import load_model
from stages._worker.model.qwen3 import Qwen3ForCausalLM
from stages._worker.training.finish import commit_model
from stages._worker.worker import Worker
from stages.rl.learner import Learner
from stages.rl.level import Level, read_levels
from stages.rl.levels_run import LevelsRun
from stages.rl.progress import Progress, begin
from stages.rl.rollout import NativeBackend, RolloutBackend
from stages.rl.server_backend import ServerBackend

# Options that decide no number: a checkpoint may go on when they change.
_FREE = ("server", "judge", "heldout", "alarms")


def train_rl(job: Job, worker: Worker) -> None:
    """One attempt."""
    worker.phase("loading", "the samples, and the prompts of each level")
    device.set_up()
    options = job.options
    source = job.input("model")
    tokenizer = load_tokenizer(source)
    samples = read_samples(
        job.input_folders("samples"), warn=lambda sentence: worker.warning(sentence, code="short_pool")
    )
    levels = read_levels(options, samples, tokenizer, seed=job.seed, cache=job.folder / "judge")
    longest = options["longest_prompt"] + max(level.longest_answer for level in levels)
    again = options["replay"]
    replay = read_replay(job.find_input("corpus"), tokenizer, again, length=again["length"], seed=job.seed)
    lengths = [longest, options["heldout"]["tokens"], *([again["length"]] if replay else [])]
    prompts = sum(len(level.pool.train) for level in levels)
    worker.phase("loading", f"the model, to learn from {prompts:,} prompts in {len(levels)} levels")
    network, _ = load_model(source, max_length=max(lengths))
    backend = _backend(options, network, tokenizer)
    learner = Learner(network, tokenizer, backend, options=options, replay=replay, seed=job.seed)
    settings = {
        "kind": "rl",
        "seed": job.seed,
        "options": {name: value for name, value in options.items() if name not in _FREE},
        "prompts": {level.name: len(level.pool.train) for level in levels},
    }
    progress = begin(worker, network, learner.train_step, settings, levels)
    LevelsRun(worker, network, tokenizer, levels, learner, backend, progress, settings).to_the_end()
    metrics = dict(progress.metrics)
    corpus = job.find_input("corpus")
    if corpus is not None:
        worker.phase("loading", "held-out perplexity")
        heldout = HeldOut(network, tokenizer, corpus, options["heldout"], seed=job.seed)
        measured = heldout.measure(counting(worker, heldout, "after training"))
        for name in measured.keys() - {"loss"}:
            metrics |= interval_metrics(name, measured[name])
    commit_model(worker, network, tokenizer_from=source, metrics=metrics, summary=_summary(levels, progress))


def _backend(options: dict[str, Any], network: Qwen3ForCausalLM, tokenizer: Tokenizer) -> RolloutBackend:
    if options["backend"] == "server":
        return ServerBackend(options["server"], tokenizer=tokenizer)
    return NativeBackend(
        network,
        batch=options["groups"] * options["group"],
        longest_prompt=options["longest_prompt"],
        stop=tokenizer.end_of_turn,
    )


def _summary(levels: list[Level], progress: Progress) -> dict[str, Any]:
    return {
        "steps": progress.step,
        "updates": progress.updates,
        "ledger": progress.ledger.head.hex(),
        "levels": [
            {
                "name": level.name,
                "prompts": len(level.pool.train),
                "too_long": level.pool.too_long,
                "probes": len(level.pool.probes),
                "heldout": len(level.pool.heldout),
                **record,
            }
            for level, record in zip(levels, progress.position.ended, strict=True)
        ],
        "alarms": progress.alarms,
        "answers": progress.answers,
    }
