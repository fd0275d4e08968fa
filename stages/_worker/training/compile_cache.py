"""Compiled training steps that outlive their process: `LEGALONE_COMPILE_CACHE=<folder>`, off without it.

Below the folder a compilation has a folder of its own, named by everything that decides it. It is complete or not
there: a process compiles in a private folder and renames it, and works on a private copy of a complete one, since
MindSpore writes where it reads. Only for a step that is one graph: with several graphs MindSpore's cache made
weights that are no numbers.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import mindspore as ms

from stages._worker.artifacts import MANIFEST, verify, write_manifest
from stages._worker.failures import DataError
from stages._worker.model import device
from stages._worker.protocol import versions

VARIABLE = "LEGALONE_COMPILE_CACHE"
KIND = "compile_cache"
_CODE = Path(__file__).resolve().parents[2]
_PRIVATE = ".legalone-compiling-"
_KEPT = re.compile("[0-9a-f]{64}")
_DAY_SECONDS = 86_400
# A private folder is used for one compilation; a day later its process was killed.
_ABANDONED_SECONDS = _DAY_SECONDS
# Code and versions change, and nobody asks for the compilations of the old ones again.
_UNUSED_SECONDS = 30 * _DAY_SECONDS


@contextmanager
def compile_cache(facts: Mapping[str, Any]) -> Iterator[None]:
    """What is compiled inside comes from the cache, or goes into it. `facts` are all that decides the graph.

    At most one graph may be compiled inside. Nothing happens without LEGALONE_COMPILE_CACHE, and a cache that cannot
    be written or read costs the compilation, not the training.
    """
    root = os.environ.get(VARIABLE)
    private = None if not root else _private_folder(Path(root))
    if private is None:
        yield
        return
    kept = Path(root) / cache_key(facts)
    found = _copy_complete(kept, private)
    ms.set_context(enable_compile_cache=True, compile_cache_path=str(private))
    try:
        yield
        if not found:
            _keep(private, kept)
    finally:
        ms.set_context(enable_compile_cache=False)
        shutil.rmtree(private, ignore_errors=True)


def cache_key(facts: Mapping[str, Any]) -> str:
    """Name of a compilation: SHA-256 over `facts`, program, code of all stages, versions, device, machine, threads."""
    whole = {
        **facts,
        "program": sys.argv[0],
        "code": code_sha256(_CODE),
        "versions": versions(),
        "device": device.target(),
        "machine": platform.machine(),
        "threads": device.thread_count(),
    }
    return hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()


def code_sha256(folder: Path) -> str:
    """SHA-256 over names and bytes of the Python files below a folder."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        code = path.read_bytes()
        digest.update(f"{path.relative_to(folder).as_posix()} {len(code)}\n".encode() + code)
    return digest.hexdigest()


def _private_folder(root: Path) -> Path | None:
    """A new folder below `root`; None where none can be made."""
    try:
        root.mkdir(parents=True, exist_ok=True)
        _clean(root)
        return Path(tempfile.mkdtemp(prefix=_PRIVATE, dir=root))
    except OSError:
        return None


def _clean(root: Path) -> None:
    """Takes away what killed processes left, and compilations that nobody used for long. Nothing else that lies there:
    the folder may be one that others fill too, with hashes for names like ours.

    Another process may do the same at this moment.
    """
    for path in root.iterdir():
        if path.name.startswith(_PRIVATE):
            unused = _ABANDONED_SECONDS
        elif _KEPT.fullmatch(path.name) and _is_compilation(path):
            unused = _UNUSED_SECONDS
        else:
            continue
        with suppress(OSError):
            if time.time() - path.stat().st_mtime > unused:
                shutil.rmtree(path)


def _is_compilation(folder: Path) -> bool:
    """Whether _keep() made it, as its manifest says."""
    try:
        return json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["kind"] == KIND
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _copy_complete(kept: Path, private: Path) -> bool:
    """Whether `kept` was complete and is now in `private`; one that is damaged is taken away."""
    if not kept.is_dir():
        return False
    try:
        verify(kept)
        os.utime(kept)
        shutil.copytree(kept, private, dirs_exist_ok=True, ignore=shutil.ignore_patterns(MANIFEST))
        return True
    except (OSError, DataError):
        shutil.rmtree(kept, ignore_errors=True)
        for path in private.iterdir():
            shutil.rmtree(path, ignore_errors=True)
        return False


def _keep(private: Path, kept: Path) -> None:
    """Makes what was compiled in `private` complete; of two processes that compiled the same, one is kept."""
    with suppress(OSError):
        write_manifest(private, kind=KIND)
        os.rename(private, kept)
