"""Large files in a second place: as hard links where the file system has them, copied elsewhere.

MindFormers never writes into a file that it has saved: it replaces and removes names.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from pathlib import Path


def place(source: Path, target: Path) -> None:
    """Makes `target` the same content, with its folder. Raises OSError where neither way works."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def room_for(files: Iterable[Path], folder: Path) -> int:
    """Bytes that placing the files below `folder` takes: none on the same file system."""
    device = folder.stat().st_dev
    facts = [path.stat() for path in files]
    return sum(fact.st_size for fact in facts if fact.st_dev != device)
