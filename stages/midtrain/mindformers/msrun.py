"""The msrun command line of every node. msrun is MindSpore's launcher: one process for each NPU of its node."""

from __future__ import annotations

import ipaddress
import shlex
from dataclasses import dataclass
from pathlib import Path

from stages._worker.failures import UserError
from stages._worker.locations import CHECKOUT
from stages.midtrain.mindformers.layout import Layout

SCRIPT = CHECKOUT / "stages" / "midtrain" / "mindformers" / "launch.py"
PORT = 8118
CLUSTER_TIMEOUT = 7200
"""Seconds until all ranks have to be there. msrun's own 600 are short for compiling nodes."""
_HCCL_PORTS = range(60000, 60016)


@dataclass(kw_only=True, slots=True, frozen=True)
class Meeting:
    """Where the ranks find each other: the scheduler runs on the first node."""

    address: str = "127.0.0.1"
    port: int = PORT


def msrun_command(
    layout: Layout, *, node_rank: int, meeting: Meeting, config: Path, logs: Path, program: str = "msrun"
) -> list[str]:
    """The command of one node. `config` and `logs` have the same path on all nodes."""
    _check(layout, node_rank, meeting)
    return [
        program,
        f"--worker_num={layout.world}",
        f"--local_worker_num={layout.npus}",
        f"--master_addr={meeting.address}",
        f"--master_port={meeting.port}",
        f"--node_rank={node_rank}",
        f"--log_dir={logs}",
        # Without it msrun returns at once, and nobody learns how the training ended.
        "--join=True",
        # No such rank: the log files are read here, and the `tail` of each would outlive a kill -9 of msrun.
        f"--tail_worker_log={layout.world}",
        f"--cluster_time_out={CLUSTER_TIMEOUT}",
        "--bind_core=True",
        str(SCRIPT),
        "--config",
        str(config),
    ]


def all_nodes(layout: Layout, *, meeting: Meeting, config: Path, logs: Path) -> str:
    """A text with one command a node, for people: the attempt runs its own."""
    lines = []
    for node in range(layout.nodes):
        command = msrun_command(
            layout, node_rank=node, meeting=meeting, config=config, logs=logs / f"node-{node}"
        )
        lines += [f"# node {node}", shlex.join(command)]
    return "\n".join(lines) + "\n"


def _check(layout: Layout, node_rank: int, meeting: Meeting) -> None:
    if not 0 <= node_rank < layout.nodes:
        raise UserError(
            f"node rank {node_rank}: expected 0 to {layout.nodes - 1}, the job has {layout.nodes} nodes"
        )
    if not 1024 <= meeting.port <= 65535 or meeting.port in _HCCL_PORTS:
        raise UserError(
            f"port {meeting.port} for msrun: expected one of 1024 to 65535 outside 60000 to 60015, which HCCL uses"
        )
    try:
        address = ipaddress.ip_address(meeting.address)
    except ValueError as error:
        raise UserError(f"address {meeting.address!r} for msrun: expected an IPv4 address") from error
    if address.version != 4:
        raise UserError(
            f"address {meeting.address} for msrun: it takes no IPv6, give the IPv4 of the first node"
        )
    if layout.nodes > 1 and address.is_loopback:
        raise UserError(
            f"address {meeting.address} for msrun: {layout.nodes} nodes cannot meet on a loopback address, "
            "give the IPv4 of the first node"
        )
