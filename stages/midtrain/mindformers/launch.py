"""What msrun starts on every NPU: registers the planned order, then trains as MindFormers' run_mindformer.py does.

The package of MindFormers has no run_mindformer.py. Never run on an NPU (docs/ascend.md).
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[3]


def main() -> None:
    """Reads the YAML that the stage wrote, and trains."""
    parser = argparse.ArgumentParser(description="One rank of a MindFormers training.")
    parser.add_argument("--config", required=True, help="YAML that stages/midtrain wrote")
    arguments = parser.parse_args()
    # A script's own folder comes first: with it there, files beside this one would hide packages of the same name.
    sys.path[0] = str(CHECKOUT)

    from stages._worker.parent import die_with_parent

    # msrun gives its ranks sessions of their own: nobody who kills the attempt would reach them.
    die_with_parent()

    from mindformers.core.context import build_context
    from mindformers.tools.register import MindFormerConfig
    from mindformers.trainer import Trainer
    from mindformers.utils.file_utils import set_output_path

    from stages.midtrain.mindformers import registration  # noqa: F401

    config = MindFormerConfig(arguments.config)
    set_output_path(config.output_dir)
    build_context(config)
    Trainer(config).train()


if __name__ == "__main__":
    main()
