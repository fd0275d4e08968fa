"""The complete YAML of a training with MindFormers 1.9.0 on Atlas nodes with Ascend 910B.

Keys are those of its configs/qwen3 and of its configuration template, which refuses unknown ones in most sections.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from stages._worker.model.config import Qwen3Config
from stages._worker.training.schedule import Schedule
from stages.midtrain.mindformers.checkpoints.saves import CHECKPOINT, PREFIX
from stages.midtrain.mindformers.checkpoints.starting import Start
from stages.midtrain.mindformers.layout import Layout
from stages.midtrain.mindformers.model_section import model_section
from stages.midtrain.mindformers.ordered_entries import BOUNDARIES, COLUMNS
from stages.midtrain.mindformers.warm_up_stable_decay import warm_up_stable_decay

DEVICE_MEMORY = "58GB"
"""Of 64 GB; MindSpore itself would take 59,392 MB and leave too little for HCCL's buffers."""


@dataclass(kw_only=True, slots=True, frozen=True)
class Training:
    """Everything the YAML depends on."""

    model: Qwen3Config
    layout: Layout
    schedule: Schedule
    optimizer: dict[str, float]
    """`with.optimizer` of the job."""
    seed: int
    base: Path
    """Hugging Face folder of the weights it starts from."""
    index: Path
    data: tuple[Path, ...]
    """data.bin of every packed folder, in order: `index` counts through them."""
    end_of_document: int
    output: Path
    """MindFormers' own folder: checkpoints, strategies, logs."""
    checkpoint_every: int
    start: Start = field(default_factory=Start)
    """Where it begins; at the base model by itself."""
    boundaries: bool = False
    """Attention ends at document ends. Off, as the native trainer attends through the whole entry."""


def training_config(training: Training) -> dict[str, Any]:
    """The YAML as a tree of plain values."""
    layout = training.layout
    columns = [*COLUMNS, BOUNDARIES] if training.boundaries else list(COLUMNS)
    dataset = _dataset(training, columns)
    return {
        "seed": training.seed,
        "output_dir": str(training.output),
        "run_mode": "train",
        "use_parallel": True,
        "use_legacy": False,
        **_beginning(training),
        "src_strategy_path_or_dir": "",
        "only_save_strategy": False,
        "print_separate_loss": False,
        "trainer": {"type": "CausalLanguageModelingTrainer", "model_name": "Qwen3"},
        "runner_config": {
            "epochs": 1,
            "batch_size": layout.sequences,
            # With pipeline stages MindFormers accumulates over micro_batch_num and resets this to 1.
            "gradient_accumulation_steps": layout.micro_batches if layout.pipeline == 1 else 1,
            "sink_mode": True,
            "sink_size": 1,
        },
        "optimizer": _optimizer(training.optimizer),
        "lr_schedule": warm_up_stable_decay(training.schedule),
        "train_dataset": dataset,
        "train_dataset_task": {"type": "CausalLanguageModelDataset", "dataset_config": dataset},
        "context": {
            "mode": 0,
            "device_target": "Ascend",
            "max_device_memory": DEVICE_MEMORY,
            "memory_optimize_level": "O0",
            "jit_config": {"jit_level": "O0"},
            "ascend_config": {"precision_mode": "must_keep_origin_dtype"},
        },
        "parallel_config": {
            "data_parallel": layout.data,
            "model_parallel": layout.tensor,
            "context_parallel": layout.context,
            "pipeline_stage": layout.pipeline,
            "micro_batch_num": layout.micro_batches if layout.pipeline > 1 else 1,
            "use_seq_parallel": layout.tensor > 1,
            "gradient_aggregation_group": 1,
        },
        "micro_batch_interleave_num": 1,
        "parallel": {
            "parallel_mode": 1,
            "enable_alltoall": True,
            "full_batch": False,
            "dataset_strategy": [[layout.data, 1] for _ in columns],
            "search_mode": "sharding_propagation",
            "strategy_ckpt_config": {
                "save_file": str(training.output / "ckpt_strategy.ckpt"),
                "only_trainable_params": False,
            },
            "enable_parallel_optimizer": layout.data > 1,
        },
        "recompute_config": {
            "recompute": layout.recompute,
            "select_recompute": False,
            "parallel_optimizer_comm_recompute": layout.recompute,
            "mp_comm_recompute": layout.recompute,
        },
        "model": {
            "model_config": model_section(
                training.model,
                sequence_length=layout.sequence_length,
                pipeline=layout.pipeline,
                end_of_document=training.end_of_document,
                boundaries=training.boundaries,
            )
        },
        "callbacks": [
            {"type": "MFLossMonitor", "per_print_times": 1},
            {
                "type": "CheckpointMonitor",
                "prefix": PREFIX,
                "save_checkpoint_steps": training.checkpoint_every,
                # All: it makes a file unreadable before it removes it, and the run's checkpoints share its files.
                # Those that are not needed any more go when a newer one is committed.
                "keep_checkpoint_max": training.schedule.steps // training.checkpoint_every + 1,
                "integrated_save": False,
                "async_save": False,
                "checkpoint_format": "safetensors",
                "remove_redundancy": False,
            },
        ],
        "runner_wrapper": {
            "type": "MFTrainOneStepCell",
            "scale_sense": 1.0,
            "use_clip_grad": True,
            "max_grad_norm": training.optimizer["clip"],
        },
        "profile": False,
    }


def training_yaml(training: Training) -> str:
    """The YAML as a text. Written out without anchors, so that every section can be read alone."""
    return yaml.dump(training_config(training), Dumper=_Plain, sort_keys=False, allow_unicode=True, width=110)


class _Plain(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


def _beginning(training: Training) -> dict[str, Any]:
    """The weights it starts from; with a checkpoint optimizer, step and position in the data too."""
    start = training.start
    going_on = start.folder is not None
    return {
        "resume_training": going_on,
        "load_checkpoint": str(training.base if start.folder is None else start.folder / CHECKPOINT),
        "load_ckpt_format": "safetensors",
        # Every rank takes its own file as it is; only whole weights are cut.
        "auto_trans_ckpt": not going_on,
        "ignore_data_skip": False,
        "data_skip_steps": start.step,
    }


def _optimizer(settings: dict[str, float]) -> dict[str, Any]:
    return {
        "type": "AdamW",
        "betas": [settings["beta1"], settings["beta2"]],
        "eps": settings["eps"],
        "weight_decay": settings["weight_decay"],
    }


def _dataset(training: Training, columns: list[str]) -> dict[str, Any]:
    return {
        "data_loader": {
            "type": "PlannedOrderDataLoader",
            "index": str(training.index),
            "data": [str(path) for path in training.data],
            "sequence_length": training.layout.sequence_length,
            "end_of_document": training.end_of_document,
            # Under this name MindFormers learns that the boundaries of a batch follow one another.
            "create_compressed_eod_mask": training.boundaries,
        },
        "input_columns": columns,
        "construct_args_key": columns,
        "num_parallel_workers": 1,
        "python_multiprocessing": False,
        "drop_remainder": True,
        "numa_enable": False,
        "prefetch_size": 1,
        "seed": training.seed,
    }
