"""The corpus side of `npm run bench:midtrain`: tells when the bench has been left behind."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from stages._worker.locations import CHECKOUT

BENCH = CHECKOUT / "test" / "bench" / "midtrain" / "corpus"


def test_made_up_documents_lose_their_copies(tmp_path: Path) -> None:
    file = tmp_path / "documents.jsonl"
    subprocess.run([sys.executable, BENCH / "documents.py", "400", file], check=True)
    documents = [json.loads(line)["text"] for line in file.read_text(encoding="utf-8").splitlines()]
    assert len(documents) == 400
    ran = subprocess.run(
        [sys.executable, BENCH / "ours.py", file, tmp_path / "corpus"],
        check=True,
        capture_output=True,
        text=True,
    )
    told = json.loads(ran.stdout.splitlines()[-1])
    assert told["documents"] == 400
    assert set(told["dropped"]) == {"exact_duplicate", "near_duplicate"}
    assert told["kept"] + sum(told["dropped"].values()) == 400
    assert 300 < told["kept"] < 380
