"""Artifacts: folders with a manifest, named by the hash of what they hold."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages._worker.failures import DataError
from stages._worker.jsonl import write_json

MANIFEST = "manifest.json"
# The control plane takes no manifest of more.
MOST_FILES = 50_000


@dataclass(kw_only=True, slots=True, frozen=True)
class Content:
    """What a folder holds: its files, their sum in bytes, and the content hash."""

    files: list[dict[str, Any]]
    bytes: int
    sha256: str


def file_sha256(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def content_of(folder: Path) -> Content:
    """Files of a folder (the manifest left out), and the SHA-256 over the sorted lines `<path> <size> <sha256>\\n`."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    files = [
        {
            "path": path.relative_to(folder).as_posix(),
            "size": path.stat().st_size,
            "sha256": file_sha256(path),
        }
        for path in paths
        if path != folder / MANIFEST
    ]
    return Content(files=files, bytes=sum(item["size"] for item in files), sha256=content_sha256(files))


def content_sha256(files: list[dict[str, Any]]) -> str:
    """The content hash of a list of files."""
    lines = sorted(f"{item['path']} {item['size']} {item['sha256']}\n" for item in files)
    return hashlib.sha256("".join(lines).encode("utf-8")).hexdigest()


def write_manifest(folder: Path, **fields: Any) -> Content:
    """Makes `folder` an artifact: every file on disk, then the manifest, last."""
    content = content_of(folder)
    if len(content.files) > MOST_FILES:
        raise DataError(
            f"{folder.name} holds {len(content.files)} files, expected at most {MOST_FILES}",
            hint="write fewer and larger files",
        )
    for item in content.files:
        sync(folder / item["path"])
    manifest = {
        "version": 1,
        "sha256": content.sha256,
        "bytes": content.bytes,
        **fields,
        "files": content.files,
    }
    write_json(folder / MANIFEST, manifest)
    sync(folder / MANIFEST)
    sync(folder)
    return content


def verify(folder: Path) -> dict[str, Any]:
    """The manifest of an artifact whose files all have the size and hash it names; DataError otherwise."""
    path = folder / MANIFEST
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        files = list(manifest["files"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path}: no manifest of an artifact ({error})") from error
    for item in files:
        file = folder / item["path"]
        size = file.stat().st_size if file.is_file() else None
        if size != item["size"]:
            seen = "no file" if size is None else f"{size} bytes"
            raise DataError(f"{file}: expected {item['size']} bytes, saw {seen}")
        if file_sha256(file) != item["sha256"]:
            raise DataError(f"{file}: its SHA-256 is not the one of the manifest")
    if content_sha256(files) != manifest.get("sha256"):
        raise DataError(f"{path}: its content hash does not belong to its list of files")
    return manifest


def sync(path: Path) -> None:
    """Waits until a file or the entries of a folder are on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
