"""One side of the bench of training: our step on a folder, as one line of JSON. `make` writes that folder.

python train_ours.py make FOLDER STEPS
python train_ours.py FOLDER
"""

import json
import sys
import time
from pathlib import Path

import numpy as np

CHECKOUT = Path(__file__).resolve().parents[3]
sys.path[:0] = [str(CHECKOUT), str(CHECKOUT / "test" / "stages")]

from tiny_weights import make_tiny  # noqa: E402

from stages._worker.model import device  # noqa: E402
from stages._worker.model.folder import load_model  # noqa: E402
from stages._worker.training.adamw import AdamWSettings  # noqa: E402
from stages._worker.training.train_step import NextTokenLoss, TrainStep  # noqa: E402

RATE = 1e-3
BATCH, LENGTH = 8, 128


def make(folder: Path, steps: int) -> None:
    """configs/models/tiny.yaml with random weights, and `steps` batches whose tokens follow a pattern."""
    device.set_up()
    config = make_tiny(folder)
    stream = np.random.default_rng(3)
    first = stream.integers(0, config.vocab_size, (steps, BATCH, 1))
    stride = stream.integers(1, 4, (steps, BATCH, 1))
    tokens = (first + stride * np.arange(LENGTH + 1)) % config.vocab_size
    np.save(folder / "train.npy", tokens.astype(np.int32))


def train(folder: Path) -> None:
    """Trains over all batches; the first step compiles and is told apart."""
    device.set_up()
    network, _ = load_model(folder)
    step = TrainStep(NextTokenLoss(network), AdamWSettings())
    batches = np.load(folder / "train.npy")
    weights = np.ones((BATCH, LENGTH), np.float32)
    losses, seconds, cpu = [], [], []
    for tokens in batches:
        begin, used = time.perf_counter(), time.process_time()
        losses.append(step((tokens, weights), RATE).loss)
        seconds.append(time.perf_counter() - begin)
        cpu.append(time.process_time() - used)
    print(json.dumps({"losses": losses, "seconds": seconds, "cpu": cpu, "tokens": BATCH * LENGTH}))


if sys.argv[1] == "make":
    make(Path(sys.argv[2]), int(sys.argv[3]))
else:
    train(Path(sys.argv[1]))
