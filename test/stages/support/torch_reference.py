"""What transformers and torch compute for model folders; run with the interpreter of .venv-torch.

    python torch_reference.py OUT FOLDER...

Writes OUT/<folder name>.npz: logits of FOLDER/tokens.npy, losses of ten AdamW steps on FOLDER/train.npy,
and OUT/<folder name>.json: a rendered chat and its ids.
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

MESSAGES = [
    {"role": "user", "content": "盗窃公私财物的，如何处罚？"},
    {"role": "assistant", "content": "<think>想</think>\n\n处三年以下有期徒刑。"},
    {"role": "user", "content": "数额巨大呢？"},
]


def logits_of(folder: Path) -> np.ndarray:
    model = AutoModelForCausalLM.from_pretrained(folder, torch_dtype=torch.float32)
    with torch.no_grad():
        return model(torch.from_numpy(np.load(folder / "tokens.npy")).long()).logits.numpy()


def train(folder: Path) -> np.ndarray:
    model = AutoModelForCausalLM.from_pretrained(folder, torch_dtype=torch.float32)
    groups = [
        {"params": [p for p in model.parameters() if p.ndim >= 2], "weight_decay": 0.1},
        {"params": [p for p in model.parameters() if p.ndim < 2], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=3e-3, betas=(0.9, 0.95), eps=1e-8)
    losses = []
    for tokens in torch.from_numpy(np.load(folder / "train.npy")).long():
        logits = model(tokens[:, :-1]).logits
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.item())
    return np.array(losses)


def main() -> None:
    torch.manual_seed(0)
    out = Path(sys.argv[1])
    for folder in map(Path, sys.argv[2:]):
        arrays = {"logits": logits_of(folder)}
        if (folder / "train.npy").exists():
            arrays["losses"] = train(folder)
        np.savez(out / f"{folder.name}.npz", **arrays)
        tokenizer = AutoTokenizer.from_pretrained(folder)
        text = tokenizer.apply_chat_template(MESSAGES, tokenize=False, add_generation_prompt=True)
        facts = {"text": text, "ids": tokenizer(text)["input_ids"], "entries": len(tokenizer)}
        (out / f"{folder.name}.json").write_text(json.dumps(facts), encoding="utf-8")


main()
