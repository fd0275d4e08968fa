"""A stand-in for msrun: trains nothing, writes logs in the form of MindFormers 1.9.0 for the steps of its YAML.

STAND_IN_MSRUN says how it ends: `well` (absent too), `memory` (after step 2), `hangs` (after step 2, until SIGTERM),
`short` (one step less), `nan` (a loss of step 2 that is no number).
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from pathlib import Path

import yaml


def main() -> int:
    parser = argparse.ArgumentParser()
    for name in ("worker_num", "local_worker_num", "master_addr", "master_port", "node_rank", "log_dir"):
        parser.add_argument(f"--{name}", required=True)
    for name in ("join", "cluster_time_out", "bind_core"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("script")
    parser.add_argument("rest", nargs=argparse.REMAINDER)
    arguments = parser.parse_args()
    print("stand-in for msrun: nothing is trained", flush=True)
    assert Path(arguments.script).name == "launch.py" and arguments.rest[0] == "--config"
    config = yaml.safe_load(Path(arguments.rest[1]).read_text(encoding="utf-8"))
    ending = os.environ.get("STAND_IN_MSRUN", "well")
    logs, ranks = Path(arguments.log_dir), int(arguments.worker_num)
    steps = config["lr_schedule"]["total_steps"] + 1
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    for step in range(1, steps + (ending != "short")):
        for rank in range(ranks):
            loss = f"{9 - step / 10:5.6f}" if rank == ranks - 1 else "0.000000"
            if ending == "nan" and step == 2 and rank == ranks - 1:
                loss = "nan"
            with (logs / f"worker_{rank}.log").open("a", encoding="utf-8") as log:
                log.write(
                    f"2026-01-01 00:00:0{step % 10},308 - mindformers./output/log[mindformers/core/callback/"
                    f"callback.py:745] - INFO - {{ Epoch:[{1:3d}/{1:3d}], step:[{step:5d}/{steps:5d}], "
                    f"loss: {loss}, per_step_time: 500ms, lr: 1e-05, overflow cond: {step == 1}, "
                    f"loss_scale: 1.0, global_norm: [1.5], train_throughput_per_npu: 12.345T\n"
                    f"INFO -    0.0% |{'':50}| 0.50000 samples/s/p  0:00:07 }}\n"
                )
        if step == 2 and ending == "memory":
            with (logs / "worker_0.log").open("a", encoding="utf-8") as log:
                log.write(
                    "RuntimeError: Memory not enough: Current free memory size[1] is smaller than required\n"
                )
            (logs / "scheduler.log").write_text(
                "The total number of timed out node is 1. Timed out node list is: [0], worker 0 is the first one "
                "timed out, please check its log.\n",
                encoding="utf-8",
            )
            return 1
        while step == 2 and ending == "hangs":
            time.sleep(0.05)
    return 0


if __name__ == "__main__":
    sys.exit(main())
