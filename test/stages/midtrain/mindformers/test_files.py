"""The files that MindFormers and msrun read: complete, and in their words."""

from pathlib import Path

import pytest
import yaml

from stages._worker.failures import DataError, UserError
from stages._worker.locations import CHECKOUT
from stages._worker.model.config import Qwen3Config, config_from
from stages._worker.training.schedule import Schedule
from stages._worker.yaml_file import read_yaml
from stages.midtrain.mindformers.checkpoints.starting import Start
from stages.midtrain.mindformers.hand_over import check_tensors, conversion_commands
from stages.midtrain.mindformers.layout import lay_out
from stages.midtrain.mindformers.msrun import Meeting, all_nodes, msrun_command
from stages.midtrain.mindformers.training_yaml import Training, training_config, training_yaml

SIZES = ["1.7b", "4b", "8b"]
SCHEDULE = Schedule(steps=11921, warmup=2000, decay=4000, max=3e-4, min=3e-6)
OPTIMIZER = {"beta1": 0.9, "beta2": 0.95, "eps": 1e-8, "weight_decay": 0.1, "clip": 1.0}

# Keys of the configuration template of MindFormers 1.9.0 (tools/register/template.py), whose sections refuse others.
GENERAL = {
    *("seed", "output_dir", "run_mode", "use_parallel", "resume_training", "print_separate_loss"),
    *("load_checkpoint", "load_ckpt_format", "auto_trans_ckpt", "src_strategy_path_or_dir"),
    *("ignore_data_skip", "data_skip_steps"),
    *("only_save_strategy", "use_legacy", "profile", "micro_batch_interleave_num"),
}
SECTIONS = {
    *(
        "trainer",
        "runner_config",
        "optimizer",
        "lr_schedule",
        "train_dataset",
        "train_dataset_task",
        "context",
    ),
    *("parallel_config", "parallel", "recompute_config", "model", "callbacks", "runner_wrapper"),
}
STRICT = {
    "runner_config": {"batch_size", "epochs", "sink_mode", "sink_size", "gradient_accumulation_steps"},
    "parallel_config": {
        *("data_parallel", "model_parallel", "context_parallel", "pipeline_stage", "micro_batch_num"),
        *("use_seq_parallel", "gradient_aggregation_group"),
    },
    "recompute_config": {
        *("recompute", "select_recompute", "parallel_optimizer_comm_recompute", "mp_comm_recompute"),
    },
}


def model(size: str) -> Qwen3Config:
    return config_from(read_yaml(CHECKOUT / "configs" / "models" / f"qwen3-{size}.yaml"))


def training(
    size: str = "8b", *, pipeline: int = 2, boundaries: bool = False, start: Start | None = None
) -> Training:
    parallel = {"tensor": 8, "pipeline": pipeline, "context": 1, "micro_batches": 4, "recompute": True}
    layout = lay_out(model(size), parallel, {"nodes": 16, "npus": 8}, batch=1024, sequence_length=8192)
    return Training(
        model=model(size),
        layout=layout,
        schedule=SCHEDULE,
        optimizer=OPTIMIZER,
        seed=42,
        base=Path("/models/base"),
        index=Path("/job/order/order.idx"),
        data=(Path("/packed-0/data.bin"), Path("/packed-1/data.bin")),
        end_of_document=151643,
        output=Path("/job/mindformers"),
        checkpoint_every=500,
        start=start or Start(),
        boundaries=boundaries,
    )


@pytest.mark.parametrize("size", SIZES)
def test_the_yaml_has_the_sections_and_keys_of_the_template(size: str) -> None:
    config = yaml.safe_load(training_yaml(training(size)))
    assert config == training_config(training(size))
    assert set(config) == GENERAL | SECTIONS
    for section, keys in STRICT.items():
        assert set(config[section]) == keys


@pytest.mark.parametrize("size", SIZES)
def test_the_model_is_that_of_the_config(size: str) -> None:
    written, expected = training_config(training(size))["model"]["model_config"], model(size)
    for name in (
        "vocab_size",
        "hidden_size",
        "intermediate_size",
        "num_hidden_layers",
        "num_attention_heads",
    ):
        assert written[name] == getattr(expected, name)
    for name in ("num_key_value_heads", "head_dim", "rope_theta", "rms_norm_eps", "tie_word_embeddings"):
        assert written[name] == getattr(expected, name)
    assert written["untie_embeddings_and_output_weights"] is not expected.tie_word_embeddings
    assert written["seq_length"] == 8192


def test_it_begins_at_the_base_model_or_where_a_checkpoint_was_laid() -> None:
    fresh = training_config(training())
    assert (fresh["load_checkpoint"], fresh["resume_training"]) == ("/models/base", False)
    assert (fresh["auto_trans_ckpt"], fresh["data_skip_steps"]) == (True, 0)
    going_on = training_config(training(start=Start(step=1500, folder=Path("/job/mindformers/start"))))
    assert going_on["load_checkpoint"] == "/job/mindformers/start/checkpoint"
    assert (going_on["resume_training"], going_on["auto_trans_ckpt"]) == (True, False)
    assert (going_on["ignore_data_skip"], going_on["data_skip_steps"]) == (False, 1500)
    assert set(fresh) == set(going_on)


def test_mindformers_removes_no_save_by_itself() -> None:
    monitor = training_config(training())["callbacks"][1]
    saves = (
        SCHEDULE.steps // monitor["save_checkpoint_steps"] + 1
    )  # the last step is saved whatever the interval
    assert monitor["keep_checkpoint_max"] >= saves


@pytest.mark.parametrize("pipeline", [1, 2])
def test_mindformers_computes_our_global_batch(pipeline: int) -> None:
    config = training_config(training(pipeline=pipeline))
    runner, parallel = config["runner_config"], config["parallel_config"]
    # Its rule: accumulation counts without pipeline stages, micro-batches with them.
    parts = parallel["micro_batch_num"] if pipeline > 1 else runner["gradient_accumulation_steps"]
    assert runner["batch_size"] * parallel["data_parallel"] * parts == 1024
    assert parallel["micro_batch_num"] >= pipeline and min(parts, runner["batch_size"]) > 1
    world = parallel["data_parallel"] * parallel["model_parallel"] * parallel["pipeline_stage"]
    assert world * parallel["context_parallel"] == 128


@pytest.mark.parametrize("boundaries", [False, True])
def test_every_column_has_a_strategy_and_the_boundaries_come_last(boundaries: bool) -> None:
    config = training_config(training(boundaries=boundaries))
    data = config["train_dataset"]
    assert config["parallel"]["dataset_strategy"] == [[8, 1]] * len(data["input_columns"])
    assert (data["input_columns"][-1] == "actual_seq_len") is boundaries
    assert data["data_loader"]["create_compressed_eod_mask"] is boundaries
    assert config["model"]["model_config"]["use_eod_attn_mask_compression"] is boundaries
    assert config["train_dataset_task"]["dataset_config"] == data


def test_the_commands_of_all_nodes() -> None:
    layout = training().layout
    text = all_nodes(
        layout, meeting=Meeting(address="10.20.0.2"), config=Path("/job/train.yaml"), logs=Path("/job/logs")
    )
    commands = [line for line in text.splitlines() if not line.startswith("#")]
    assert len(commands) == 16
    for node, command in enumerate(commands):
        flags = dict(part.split("=", 1) for part in command.split() if part.startswith("--") and "=" in part)
        assert flags == {
            "--worker_num": "128",
            "--local_worker_num": "8",
            "--master_addr": "10.20.0.2",
            "--master_port": "8118",
            "--node_rank": str(node),
            "--log_dir": f"/job/logs/node-{node}",
            "--join": "True",
            "--tail_worker_log": "128",
            "--cluster_time_out": "7200",
            "--bind_core": "True",
        }
        assert command.endswith("launch.py --config /job/train.yaml")


@pytest.mark.parametrize(
    ("meeting", "rank", "says"),
    [
        (Meeting(), 0, "loopback"),
        (Meeting(address="::1"), 0, "no IPv6"),
        (Meeting(address="node-1"), 0, "expected an IPv4"),
        (Meeting(address="10.0.0.1", port=60007), 0, "HCCL"),
        (Meeting(address="10.0.0.1"), 16, "node rank 16"),
    ],
)
def test_an_address_that_cannot_work_is_refused(meeting: Meeting, rank: int, says: str) -> None:
    with pytest.raises(UserError, match=says):
        msrun_command(training().layout, node_rank=rank, meeting=meeting, config=Path("c"), logs=Path("l"))


@pytest.mark.parametrize("size", SIZES)
def test_no_size_of_the_conversion_is_left_to_its_default(size: str) -> None:
    merge, reverse = conversion_commands(
        model(size),
        tree=Path("/mf"),
        source=Path("/job/mindformers/start"),
        output=Path("/job/mindformers"),
        schedule=SCHEDULE,
        target=Path("/hf"),
    )
    flags = dict(part[2:].split("=") for part in reverse[2:])
    expected = model(size)
    sizes = ("num_layers", "num_attention_heads", "num_query_groups", "kv_channels", "ffn_hidden_size")
    assert [int(flags[name]) for name in sizes] == [
        *(expected.num_hidden_layers, expected.num_attention_heads, expected.num_key_value_heads),
        *(expected.head_dim, expected.intermediate_size),
    ]
    assert "--mindspore_ckpt_dir=/job/mindformers/start/checkpoint" in merge
    assert "--src_strategy_dirs=/job/mindformers/start/strategy" in merge
    assert "--file_suffix=11921_1" in merge and "--has_redundancy=True" in merge


def test_a_converted_model_of_another_size_is_refused() -> None:
    small, large = model("1.7b"), model("4b")
    check_tensors(small, small.shapes() | {"lm_head.weight": (151936, 2048)}, where="hf")
    with pytest.raises(DataError, match=r"do not fit config\.json.*model\.embed_tokens\.weight is"):
        check_tensors(large, small.shapes(), where="hf")
    with pytest.raises(DataError, match=r"lm_head\.weight is missing"):
        check_tensors(
            model("8b"), {k: v for k, v in model("8b").shapes().items() if "lm_head" not in k}, where="hf"
        )
