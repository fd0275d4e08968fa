"""Scores documents.npz with the scorer of the stage `perplexity`; writes the result and prints seconds of every pass.

Arguments: folder, batch, passes. With `make` as the second one it writes the model and the documents first.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np

CHECKOUT = Path(__file__).resolve().parents[3]
sys.path[:0] = [str(CHECKOUT), str(CHECKOUT / "test" / "stages")]

from stages._worker.inference.scoring import Scorer  # noqa: E402
from stages._worker.model import device  # noqa: E402

LONGEST = 256
WIDTHS = (32, 48, 64, 80, 96, 112, 128, 160, 192, 256)


def make(folder: Path, documents: int) -> None:
    """A model of the demo's shape with a tokenizer, and documents of log-normal length."""
    from tiny_weights import make_tiny

    config = make_tiny(folder)
    stream = np.random.default_rng(0)
    sizes = np.clip(stream.lognormal(4.4, 0.6, documents), 8, LONGEST).astype(np.int64)
    tokens = stream.integers(5, config.vocab_size, int(sizes.sum())).astype(np.int32)
    np.savez(folder / "documents.npz", sizes=sizes, tokens=tokens, end_of_text=0)


def main() -> None:
    """Prints {"seconds": [...], "tokens": n, "compile": s}."""
    folder = Path(sys.argv[1])
    device.set_up()
    if sys.argv[2] == "make":
        make(folder, int(sys.argv[3]))
        return
    from stages._worker.model.folder import load_model

    data = np.load(folder / "documents.npz")
    documents = np.split(data["tokens"], np.cumsum(data["sizes"])[:-1])
    network, tokenizer = load_model(folder, max_length=LONGEST)
    scorer = Scorer(network, batch=int(sys.argv[2]), lengths=WIDTHS, end_of_text=tokenizer.end_of_text)
    start = time.perf_counter()
    scorer.score([documents[0][:1].repeat(width) for width in WIDTHS])
    compiled = time.perf_counter() - start
    seconds = []
    for _ in range(int(sys.argv[3])):
        start = time.perf_counter()
        scores = scorer.score(documents)
        seconds.append(time.perf_counter() - start)
    np.save(folder / "ours.npy", scores.nll / scores.tokens)
    print(json.dumps({"seconds": seconds, "tokens": int(scores.tokens.sum()), "compile": compiled}))


main()
