"""The other side of the bench of training: transformers and torch's AdamW on the same folder; needs .venv-torch.

python train_torch.py FOLDER
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
import torch
from transformers import AutoModelForCausalLM

RATE = 1e-3


def main() -> None:
    folder = Path(sys.argv[1])
    model = AutoModelForCausalLM.from_pretrained(folder, torch_dtype=torch.float32)
    groups = [
        {"params": [p for p in model.parameters() if p.ndim >= 2], "weight_decay": 0.1},
        {"params": [p for p in model.parameters() if p.ndim < 2], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=RATE, betas=(0.9, 0.95), eps=1e-8)
    losses, seconds, cpu = [], [], []
    for tokens in np.load(folder / "train.npy"):
        begin, used = time.perf_counter(), time.process_time()
        batch = torch.from_numpy(tokens).long()
        logits = model(batch[:, :-1]).logits
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), batch[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.item())
        seconds.append(time.perf_counter() - begin)
        cpu.append(time.process_time() - used)
    print(json.dumps({"losses": losses, "seconds": seconds, "cpu": cpu, "tokens": batch[:, 1:].numel()}))


main()
