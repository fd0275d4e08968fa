"""From MindFormers' checkpoint to a Hugging Face folder: two scripts of its source tree, flags from config.json.

Both scripts have defaults for a model of 0.6B, so a flag left out does not fail, it makes a wrong model: every one
is given. They are in the source tree of MindFormers 1.9.0, not in its package.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from stages._worker.failures import DataError, UserError, WorkerFailure
from stages._worker.model.config import Qwen3Config
from stages._worker.model.folder import save_model, write_facts
from stages._worker.model.history import model_facts
from stages._worker.model.tensor_folder import FolderTensors
from stages._worker.training.checkpoint import refuse_non_finite
from stages._worker.training.schedule import Schedule
from stages._worker.worker import Worker
from stages.midtrain.mindformers.checkpoints.saves import CHECKPOINT, STRATEGY, suffix
from stages.midtrain.mindformers.children.child import run_child

_MERGE = Path("toolkit/safetensors/unified_safetensors.py")
_REVERSE = Path("toolkit/weight_convert/qwen3/reverse_mcore_qwen3_weight_to_hf.py")
DTYPES = ("fp32", "bf16", "fp16")
TREE = "LEGALONE_MINDFORMERS"
"""Variable with the folder of MindFormers' source tree."""


def source_tree(environment: Mapping[str, str]) -> Path:
    """The source tree with both scripts; a UserError before training where it is missing."""
    folder = environment.get(TREE)
    if not folder:
        raise UserError(
            f"{TREE} is not set: the trained weights could not be converted to Hugging Face's form",
            hint=f"set {TREE} to a checkout of MindFormers 1.9.0; its package lacks the scripts",
        )
    missing = [str(script) for script in (_MERGE, _REVERSE) if not (Path(folder) / script).is_file()]
    if missing:
        raise UserError(f"{TREE} is {folder}, which lacks {', '.join(missing)}")
    return Path(folder)


def conversion_commands(
    model: Qwen3Config,
    *,
    tree: Path,
    source: Path,
    output: Path,
    schedule: Schedule,
    target: Path,
    python: str = "python",
    dtype: str = "bf16",
) -> list[list[str]]:
    """Merge of all ranks' files of the last step, then the way back to Hugging Face's names.

    `tree` is the source tree of MindFormers, `source` has the folders `checkpoint` and `strategy` of the last step,
    `output` is for what is merged, `target` the new model folder.
    """
    if dtype not in DTYPES:
        raise UserError(f"dtype {dtype} of the conversion: expected one of {', '.join(DTYPES)}")
    last = suffix(schedule.steps)
    merged = output / "merged"
    return [
        [
            python,
            str(tree / _MERGE),
            f"--src_strategy_dirs={source / STRATEGY}",
            f"--mindspore_ckpt_dir={source / CHECKPOINT}",
            f"--output_dir={merged}",
            f"--file_suffix={last}",
            "--format=safetensors",
            # CheckpointMonitor writes with remove_redundancy: false.
            "--has_redundancy=True",
            "--filter_out_param_prefix=adam_",
        ],
        [
            python,
            str(tree / _REVERSE),
            f"--mindspore_ckpt_path={merged / f'{last}_ckpt_convert' / 'unified_safe'}",
            f"--huggingface_ckpt_path={target}",
            f"--num_layers={model.num_hidden_layers}",
            f"--num_attention_heads={model.num_attention_heads}",
            f"--num_query_groups={model.num_key_value_heads}",
            f"--kv_channels={model.head_dim}",
            f"--ffn_hidden_size={model.intermediate_size}",
            f"--dtype={dtype}",
        ],
    ]


def convert(worker: Worker, commands: list[list[str]], converted: Path) -> None:
    """Runs the commands one after the other; the weights stand in `converted` then, in Hugging Face's form.

    SIGTERM stops the one that runs, and raises Stopped. A script that fails is a WorkerFailure that names its log.
    """
    worker.phase("saving", "conversion to Hugging Face")
    shutil.rmtree(converted, ignore_errors=True)
    for number, command in enumerate(commands):
        name = Path(command[1]).name
        log = converted.parent / f"convert-{number}.log"
        code = run_child(worker, command, log=log, what=f"the conversion, in {name}")
        if code != 0:
            raise WorkerFailure(
                f"{name} ended with code {code}",
                hint=f"read {log}; the trained weights are kept beside it",
            )


def hand_over(
    worker: Worker,
    model: Qwen3Config,
    converted: Path,
    *,
    base: Path,
    measure: Callable[[Path], dict[str, float]],
    summary: dict[str, Any],
    meta: dict[str, Any],
) -> None:
    """Checks every tensor, measures the model, and commits it with its numbers inside.

    `measure` gives the metrics of a model folder. Raises DataError for tensors that are not those of config.json and
    NumericError for values that are not finite.
    """
    tensors = FolderTensors(converted)
    check_tensors(model, {name: tensors.shape(name) for name in tensors}, where=str(converted))
    refuse_non_finite({"model": tensors}, where="the trained model")
    folder = worker.stage_output("model")
    save_model(
        folder,
        config=model,
        tensors={name: tensors[name] for name in model.shapes()},
        tokenizer_from=base,
        facts={},
    )
    metrics = measure(folder)
    worker.phase("saving")
    write_facts(folder, model_facts(worker.job, base, metrics, trainer="mindformers"))
    worker.commit("model", meta={"parameters": model.parameter_count(), **meta})
    worker.finish(metrics=metrics, summary=summary)


def check_tensors(model: Qwen3Config, shapes: Mapping[str, tuple[int, ...]], *, where: str) -> None:
    """DataError when a converted model is not of its config. A tied head may be there as a copy."""
    expected = model.shapes()
    spare = {"lm_head.weight"} if model.tie_word_embeddings else set()
    wrong = [
        f"{name} is {list(shapes[name])}, expected {list(shape)}" if name in shapes else f"{name} is missing"
        for name, shape in expected.items()
        if tuple(shapes.get(name, ())) != shape
    ]
    wrong += [f"{name} is not of this model" for name in sorted(set(shapes) - set(expected) - spare)]
    if wrong:
        raise DataError(f"{where}: {len(wrong)} tensors do not fit config.json: {'; '.join(wrong[:5])}")
