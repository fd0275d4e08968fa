import hashlib
import json
from pathlib import Path

import pytest
from support.jobs import make_worker, read_events

from stages._worker.artifacts import content_of, verify, write_manifest
from stages._worker.failures import DataError


def folder_with_files(root: Path) -> Path:
    (root / "b").mkdir(parents=True)
    (root / "a.txt").write_bytes(b"one")
    (root / "b" / "c.bin").write_bytes(b"two!")
    return root


def test_the_content_hash_is_over_sorted_lines_of_path_size_and_hash(tmp_path: Path) -> None:
    content = content_of(folder_with_files(tmp_path))
    lines = f"a.txt 3 {hashlib.sha256(b'one').hexdigest()}\nb/c.bin 4 {hashlib.sha256(b'two!').hexdigest()}\n"
    assert content.sha256 == hashlib.sha256(lines.encode()).hexdigest()
    assert content.bytes == 7


def test_a_manifest_does_not_change_the_hash(tmp_path: Path) -> None:
    before = content_of(folder_with_files(tmp_path)).sha256
    write_manifest(tmp_path, kind="x")
    assert verify(tmp_path)["sha256"] == before == content_of(tmp_path).sha256


@pytest.mark.parametrize(
    ("harm", "says"),
    [
        (lambda root: (root / "a.txt").write_bytes(b"on"), "expected 3 bytes, saw 2 bytes"),
        (lambda root: (root / "a.txt").write_bytes(b"oen"), "SHA-256"),
        (lambda root: (root / "b" / "c.bin").unlink(), "saw no file"),
        (lambda root: (root / "manifest.json").write_text("{"), "no manifest"),
        (lambda root: forge(root), "content hash"),
    ],
)
def test_harm_is_found(tmp_path: Path, harm, says: str) -> None:
    write_manifest(folder_with_files(tmp_path), kind="x")
    harm(tmp_path)
    with pytest.raises(DataError, match=says):
        verify(tmp_path)


def forge(root: Path) -> None:
    manifest = json.loads((root / "manifest.json").read_text())
    manifest["files"] = manifest["files"][:1]
    (root / "manifest.json").write_text(json.dumps(manifest))


def test_commit_announces_the_staged_folder(tmp_path: Path) -> None:
    worker = make_worker("export", tmp_path)
    (worker.stage_output("delivery") / "x").write_bytes(b"1")
    digest = worker.commit("delivery", meta={"name": "n"})
    worker.close()
    event = read_events(tmp_path)[-1]
    assert (event["kind"], event["sha256"], event["bytes"]) == ("delivery", digest, 1)
    manifest = verify(Path(event["path"]))
    assert manifest["producer"]["attempt"] == worker.job.attempt and manifest["meta"] == {"name": "n"}
