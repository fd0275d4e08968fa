"""A stand-in for msrun: trains nothing, but reads the order, writes logs and saves in the form of MindFormers 1.9.0, and
goes on from a checkpoint as that does.

STAND_IN_MSRUN says how it ends: `well` (absent too), `memory` (after step 2), `hangs` (after step 2, until SIGTERM),
`short` (one step less), `nan` (a loss of step 2 that is no number), `half` (in the middle of the second save, of which
the last rank has written the half; then it hangs), `waits` (after the second save, until SIGTERM). STAND_IN_SECONDS is
what a step and a rank's save take each, nothing where it is absent.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import yaml
from support.stand_in_saves import monitor_of, read_start, save, save_half

from stages._worker.data.megatron_index import read_index


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    for name in ("worker_num", "local_worker_num", "master_addr", "master_port", "node_rank", "log_dir"):
        parser.add_argument(f"--{name}", required=True)
    for name in ("join", "tail_worker_log", "cluster_time_out", "bind_core"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("script")
    parser.add_argument("rest", nargs=argparse.REMAINDER)
    return parser.parse_args()


def rows_of(config: dict[str, Any]) -> list[int]:
    """Rows of the one packed folder in the order of the index."""
    section = config["train_dataset"]["data_loader"]
    pointers = read_index(Path(section["index"])).pointers
    return (pointers // (4 * (section["sequence_length"] + 1))).tolist()


def say_step(logs: Path, ranks: int, *, step: int, of: int, loss: str) -> None:
    for rank in range(ranks):
        with (logs / f"worker_{rank}.log").open("a", encoding="utf-8") as log:
            log.write(
                f"2026-01-01 00:00:0{step % 10},308 - mindformers./output/log[mindformers/core/callback/"
                f"callback.py:745] - INFO - {{ Epoch:[{1:3d}/{1:3d}], step:[{step:5d}/{of:5d}], "
                f"loss: {loss if rank == ranks - 1 else '0.000000'}, per_step_time: 500ms, lr: 1e-05, "
                f"overflow cond: {step == 1}, loss_scale: 1.0, global_norm: [1.5], "
                f"train_throughput_per_npu: 12.345T\n"
                f"INFO -    0.0% |{'':50}| 0.50000 samples/s/p  0:00:07 }}\n"
            )


def run_out_of_memory(logs: Path) -> int:
    with (logs / "worker_0.log").open("a", encoding="utf-8") as log:
        log.write("RuntimeError: Memory not enough: Current free memory size[1] is smaller than required\n")
    (logs / "scheduler.log").write_text(
        "The total number of timed out node is 1. Timed out node list is: [0], worker 0 is the first one "
        "timed out, please check its log.\n",
        encoding="utf-8",
    )
    return 1


def hang() -> None:
    while True:
        time.sleep(0.05)


def main() -> int:
    given = arguments()
    print("stand-in for msrun: nothing is trained", flush=True)
    assert Path(given.script).name == "launch.py" and given.rest[0] == "--config"
    config = yaml.safe_load(Path(given.rest[1]).read_text(encoding="utf-8"))
    ending = os.environ.get("STAND_IN_MSRUN", "well")
    seconds = float(os.environ.get("STAND_IN_SECONDS", "0"))
    logs, ranks, output = Path(given.log_dir), int(given.worker_num), Path(config["output_dir"])
    steps = config["lr_schedule"]["total_steps"] + 1
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))

    order, monitor = rows_of(config), monitor_of(config)
    batch = len(order) // steps
    begun, consumed = read_start(config, ranks=ranks)
    # Its rule: the position in the data is data_skip_steps where that is set, else the step of the checkpoint.
    skipped = config["data_skip_steps"] or begun
    (output / "strategy").mkdir(parents=True, exist_ok=True)
    for rank in range(ranks):
        (output / "strategy" / f"ckpt_strategy_rank_{rank}.ckpt").write_bytes(b"stand-in for a strategy")
    saves, saved = 0, begun
    for step in range(begun + 1, steps + (ending != "short")):
        time.sleep(seconds)
        first = (skipped + step - 1 - begun) * batch
        consumed += order[first : first + batch]
        loss = "nan" if ending == "nan" and step == 2 else f"{9 - step / 10:5.6f}"
        say_step(logs, ranks, step=step, of=steps, loss=loss)
        # Its rule too: the interval counts from where it began.
        if step >= saved + monitor["save_checkpoint_steps"] or step == steps:
            saves, saved = saves + 1, step
            for rank in range(ranks):
                time.sleep(seconds)
                half = ending == "half" and saves == 2 and rank == ranks - 1
                write = save_half if half else save
                write(output, monitor, rank=rank, step=step, batch=batch, rows=consumed)
        if step == 2 and ending == "memory":
            return run_out_of_memory(logs)
        if (step == 2 and ending == "hangs") or (saves == 2 and ending in ("half", "waits")):
            hang()
    return 0


if __name__ == "__main__":
    sys.exit(main())
