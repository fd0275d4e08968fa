"""What MindFormers 1.9.0 itself makes of our files; run with the interpreter of .venv-mindformers and
PYTHONPATH=CHECKOUT:CHECKOUT/test/stages.

    python mindformers_reference.py JOB.json OUT

JOB: `going_on` (`file`: a train.yaml that goes on, `step`, `ranks`, `batch`), `loaders` (name -> `data_loader` section with `num_shards`), `schedules` (name -> `lr_schedule` section with
`steps`), `files` (name -> train.yaml). Writes OUT/<loader>-<shard>.npz (columns of every entry in order),
OUT/<schedule>.npy (the rate of every step) and OUT/<file>.json (what its template and its model configuration read).

For `going_on` its CheckpointMonitor writes the saves of every rank, ours are laid where the YAML says, and its own
functions look for them: OUT/going-on.json and OUT/going-on-<rank>.npz (the batches a rank goes on with).
"""

import json
import sys
from pathlib import Path

import mindspore as ms
import numpy as np
from mindformers.core.lr import lr_schedule
from mindformers.dataset.dataloader.build_dataloader import build_dataset_loader
from mindformers.models.qwen3 import Qwen3Config
from mindformers.tools.register import MindFormerConfig
from mindformers.tools.register.template import ConfigTemplate
from support.mindformers_going_on import going_on

import stages.midtrain.mindformers.registration  # noqa: F401  registers the loader


def shards_of(section: dict, shards: int) -> list[dict[str, np.ndarray]]:
    found = []
    for shard in range(shards):
        loader = build_dataset_loader(
            config=dict(section), default_args={"num_shards": shards, "shard_id": shard}
        )
        rows = list(loader.create_dict_iterator(num_epochs=1, output_numpy=True))
        found.append({name: np.stack([row[name] for row in rows]) for name in rows[0]})
    return found


def rates_of(section: dict, steps: int) -> np.ndarray:
    kind = getattr(lr_schedule, section.pop("type"))
    schedule = kind(**section)
    return np.array([float(schedule(ms.Tensor(step, ms.int32)).asnumpy()) for step in range(steps)])


def reading_of(path: str) -> dict:
    """The template refuses what it does not know; the model configuration is the one its Qwen3 is built from."""
    config = MindFormerConfig(path)
    ConfigTemplate.apply_template(config)
    model = Qwen3Config(**config.model["model_config"])
    names = (
        *("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads"),
        *("num_key_value_heads", "head_dim", "rope_theta", "rms_norm_eps", "tie_word_embeddings"),
    )
    return {
        "model": {name: getattr(model, name) for name in names},
        "sequences": config.runner_config["batch_size"] * config.parallel_config["data_parallel"],
    }


def main() -> None:
    ms.set_context(mode=ms.PYNATIVE_MODE)
    ms.set_device("CPU")
    job, out = json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2])
    (out / "going-on.json").write_text(json.dumps(going_on(job["going_on"], out)))
    for name, section in job["loaders"].items():
        for number, columns in enumerate(shards_of(section, section.pop("num_shards"))):
            np.savez(out / f"{name}-{number}.npz", **columns)
    for name, section in job["schedules"].items():
        np.save(out / f"{name}.npy", rates_of(section, section.pop("steps")))
    for name, path in job["files"].items():
        (out / f"{name}.json").write_text(json.dumps(reading_of(path)))


main()
