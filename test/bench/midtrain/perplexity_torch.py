"""Scores documents.npz with transformers on torch; writes the result and prints seconds of every pass.

Arguments: folder, batch, passes. Documents go sorted by length, each batch as wide as its longest.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import numpy as np
import torch
from transformers import AutoModelForCausalLM


def score(
    model: torch.nn.Module, documents: list[np.ndarray], sizes: np.ndarray, batch: int, end_of_text: int
) -> np.ndarray:
    """Mean -log p a token of each document, after an end-of-text mark."""
    found = np.zeros(len(documents))
    order = np.argsort(sizes, kind="stable")
    for begin in range(0, len(order), batch):
        part = order[begin : begin + batch]
        tokens = np.full((len(part), sizes[part].max() + 1), end_of_text, np.int64)
        for row, i in enumerate(part):
            tokens[row, 1 : sizes[i] + 1] = documents[i]
        given = torch.from_numpy(tokens)
        logits = model(given[:, :-1], use_cache=False).logits
        losses = torch.nn.functional.cross_entropy(
            logits.flatten(0, 1), given[:, 1:].flatten(), reduction="none"
        ).reshape(len(part), -1)
        for row, i in enumerate(part):
            found[i] = losses[row, : sizes[i]].double().mean()
    return found


def main() -> None:
    """Prints {"seconds": [...], "tokens": n}."""
    folder, batch, passes = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    data = np.load(folder / "documents.npz")
    sizes = data["sizes"]
    documents = np.split(data["tokens"], np.cumsum(sizes)[:-1])
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    seconds = []
    with torch.inference_mode():
        score(model, documents[: 2 * batch], sizes[: 2 * batch], batch, int(data["end_of_text"]))
        for _ in range(passes):
            start = time.perf_counter()
            found = score(model, documents, sizes, batch, int(data["end_of_text"]))
            seconds.append(time.perf_counter() - start)
    np.save(folder / "torch.npy", found)
    print(json.dumps({"seconds": seconds, "tokens": int(sizes.sum())}))


main()
