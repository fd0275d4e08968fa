"""MindFormers 1.9.0 saves with its own callback and goes on with its own functions, on a CPU, one rank after the other;
only mindformers_reference.py imports this, in .venv-mindformers."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import mindspore as ms
import numpy as np
from mindformers.core.callback.callback import CheckpointMonitor
from mindformers.dataset.dataloader.build_dataloader import build_dataset_loader
from mindformers.tools.register import MindFormerConfig
from mindformers.tools.resume_ckpt import get_resume_checkpoint
from mindformers.trainer.utils import (
    check_runner_config,
    convert_checkpoint_config,
    load_resume_context_from_checkpoint,
)
from mindformers.utils.file_utils import set_output_path, set_strategy_save_path
from mindformers.utils.load_checkpoint_utils import (
    _get_checkpoint_mode,
    _get_src_file,
    validate_config_with_file_mode,
)
from mindspore import nn
from mindspore.train.callback import RunContext

from stages.midtrain.mindformers.checkpoints.placing import place
from stages.midtrain.mindformers.checkpoints.saves import begun_steps, read_save, save_path, write_meta


class Trained(nn.Cell):
    """Something with weights and an optimizer, as its callback wants to save it."""

    def __init__(self) -> None:
        super().__init__()
        self.network = nn.Dense(4, 3)
        self.optimizer = nn.Adam(self.network.trainable_params())

    def construct(self, x: ms.Tensor) -> ms.Tensor:
        return self.network(x)


class Parameters(dict):
    """What a callback is told of a step."""

    __getattr__ = dict.get

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value


def going_on(job: dict[str, Any], out: Path) -> dict[str, Any]:
    """What ours sees of its saves, and what it sees of ours."""
    config = MindFormerConfig(job["file"])
    output, ranks, step = Path(config.output_dir), job["ranks"], job["step"]
    set_output_path(config.output_dir)
    strategies = []
    for rank in range(ranks):
        os.environ["RANK_ID"] = str(rank)
        save_steps(config, range(1, step + 2), batch=job["batch"])
        parallel = MindFormerConfig(**config.parallel)
        set_strategy_save_path(parallel)
        strategies.append(parallel["strategy_ckpt_save_file"])
    checkpoint = output / "checkpoint"
    whole = read_save(checkpoint, step, ranks=ranks, batch=job["batch"])
    laid = Path(config.load_checkpoint)
    for rank, path in enumerate(whole.files):
        place(path, laid / save_path(rank, step))
    write_meta(laid, step, ranks=ranks)
    return {
        "begun": begun_steps(checkpoint),
        "files": [str(path) for path in whole.files],
        "strategies": strategies,
        "ranks": [rank_goes_on(job["file"], rank, ranks, out) for rank in range(ranks)],
    }


def read_config(path: str) -> MindFormerConfig:
    """As its Trainer has it, for a checkpoint that is there by now."""
    config = MindFormerConfig(path)
    config.remove_redundancy = config.get("remove_redundancy", False)
    convert_checkpoint_config(config)
    return config


def save_steps(config: MindFormerConfig, steps: range, *, batch: int) -> None:
    """Its callback at every step of a sink of one step; it is the last one that `end` is for."""
    section = next(dict(one) for one in config.callbacks if one["type"] == "CheckpointMonitor")
    section.pop("type")
    network = Trained()
    monitor = CheckpointMonitor(**section, global_batch_size=batch)
    told = Parameters(batch_num=1, optimizer=network.optimizer, train_network=network, network=network)
    for step in steps:
        told.cur_step_num = told.cur_epoch_num = step
        monitor.step_end(RunContext(told))
    monitor.end(RunContext(told))


def rank_goes_on(file: str, rank: int, ranks: int, out: Path) -> dict[str, Any]:
    """As trainer.py and base_trainer.py do it: the file, the position, the batches, the weights."""
    os.environ["RANK_ID"] = str(rank)
    config = read_config(file)
    assert config.resume_training is True and config.use_legacy_format
    laid = config.checkpoint.load_path
    name = get_resume_checkpoint(checkpoint_dir=laid, resume_training=True, ckpt_format="safetensors")
    config.resume_training = name
    section = dict(config.train_dataset.data_loader)
    share = config.runner_config.batch_size
    dataset = build_dataset_loader(config=section, default_args={"num_shards": ranks, "shard_id": rank})
    dataset = dataset.batch(share, drop_remainder=True)
    config.runner_config.global_batch_size = share * config.parallel_config.data_parallel
    load_resume_context_from_checkpoint(config, dataset)
    assert not config.ignore_data_skip
    dataset.set_init_step(config.data_skip_steps or config.runner_config.initial_step)
    check_runner_config(config, dataset)
    batches = list(dataset.create_dict_iterator(num_epochs=1, output_numpy=True))
    np.savez(out / f"going-on-{rank}.npz", input_ids=np.stack([batch["input_ids"] for batch in batches]))
    mode = _get_checkpoint_mode(config)
    validate_config_with_file_mode(mode, config.use_parallel, config.auto_trans_ckpt)
    return {
        "name": name,
        "weights": _get_src_file(laid, name, "safetensors"),
        "initial_step": config.runner_config.initial_step,
        "initial_epoch": config.runner_config.initial_epoch,
        "skipped": config.data_skip_steps,
        "epochs": config.runner_config.epochs,
    }
