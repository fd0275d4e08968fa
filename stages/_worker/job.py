"""The job: what a worker is asked to do, one JSON file (protocol.schema.json)."""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker

from stages._worker.failures import DataError, UserError
from stages._worker.locations import folder_of
from stages._worker.options import resolve_options


@functools.cache
def protocol_schema() -> dict[str, Any]:
    """The JSON Schema of the worker protocol."""
    return json.loads((Path(__file__).parent / "protocol.schema.json").read_text(encoding="utf-8"))


def protocol_validator(definition: str) -> Draft202012Validator:
    """Validator of one definition of the protocol: `Job`, `Event` or the name of an event."""
    schema = {"$defs": protocol_schema()["$defs"], "$ref": f"#/$defs/{definition}"}
    return Draft202012Validator(schema, format_checker=FormatChecker())


@dataclass(kw_only=True, slots=True, frozen=True)
class Input:
    """One committed artifact the stage reads."""

    kind: str
    folder: Path
    stage: str | None
    """Name of the stage that made it; None when it came from outside the run."""
    sha256: str | None
    meta: dict[str, Any]


@dataclass(kw_only=True, slots=True, frozen=True)
class ResumePoint:
    """The checkpoint to go on from."""

    folder: Path
    step: int
    sha256: str | None
    """SHA-256 of its manifest.json; None where nobody announced it."""
    fork: bool = False
    """It belongs to another run: settings, order and batch may differ."""
    older: tuple[ResumePoint, ...] | None = None
    """Committed ones before it, newest first, for when it is damaged; None for a job without records."""


@dataclass(kw_only=True, slots=True, frozen=True)
class Job:
    """A checked job. `options` is its `with`, complete."""

    run: str
    stage: str
    stage_id: str
    kind: str
    shard: int
    shards: int
    attempt: str
    epoch: int
    inputs: tuple[Input, ...]
    options: dict[str, Any]
    model: dict[str, Any] | None
    resources: dict[str, Any]
    seed: int
    folder: Path
    output: Path
    events: Path
    checkpoint_every: int | None
    checkpoint_keep: int
    checkpoint_keep_every: int | None
    resume: ResumePoint | None
    deadline: str | None
    heartbeat_seconds: float
    stand_ins: list[str] | None
    """Variables for which the plan counts on a stand-in, where it says so: all others have a model."""
    raw: dict[str, Any] = field(repr=False)
    """The job as it was read."""

    def inputs_of(self, kind: str) -> list[Input]:
        """All inputs of a kind, in the order of the job."""
        return [item for item in self.inputs if item.kind == kind]

    def find_input(self, kind: str, *, stage: str | None = None) -> Path | None:
        """Folder of the one input of a kind (of one stage, when named), or None; several are a DataError.

        The shards of a split stage hand on one artifact each: who can read them together asks `input_folders`.
        """
        found = [item for item in self.inputs_of(kind) if stage is None or item.stage == stage]
        if len(found) > 1:
            makers = ", ".join(str(item.stage) for item in found)
            raise DataError(
                f"stage {self.stage} takes one input of kind {kind}; there are {len(found)}, of {makers}",
                hint="a split stage makes one a shard: only inputs with `many` in stage.yaml take them",
            )
        return found[0].folder if found else None

    def input(self, kind: str, *, stage: str | None = None) -> Path:
        """Folder of the one input of a kind; a DataError names what is there when it is missing."""
        folder = self.find_input(kind, stage=stage)
        if folder is None:
            raise self._missing(kind if stage is None else f"{kind} of stage {stage}")
        return _existing(folder, kind)

    def input_folders(self, kind: str) -> list[Path]:
        """Folders of all inputs of a kind, in the order of the job: shards in order; none is a DataError."""
        folders = [_existing(item.folder, kind) for item in self.inputs_of(kind)]
        if not folders:
            raise self._missing(kind)
        return folders

    def _missing(self, wanted: str) -> DataError:
        seen = ", ".join(f"{item.kind} of {item.stage}" for item in self.inputs) or "none"
        return DataError(f"stage {self.stage} needs an input of kind {wanted}; inputs are: {seen}")


def _existing(folder: Path, kind: str) -> Path:
    if not folder.is_dir():
        raise DataError(f"input {kind}: folder {folder} does not exist")
    return folder


def read_job(path: Path) -> dict[str, Any]:
    """Reads a job file and checks its form; raises UserError with every violation."""
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"cannot read job {path}: {error}") from error
    errors = sorted(protocol_validator("Job").iter_errors(raw), key=lambda e: list(e.absolute_path))
    if errors:
        lines = [f"{'.'.join(map(str, e.absolute_path)) or 'job'}: {e.message}" for e in errors]
        raise UserError(f"{path} is no job of protocol 1: " + "; ".join(lines))
    return raw


def parse_job(raw: dict[str, Any]) -> Job:
    """The job of an object that fits the schema, with its options completed and checked."""
    checkpoint = raw.get("checkpoint") or {}
    return Job(
        run=raw["run"],
        stage=raw["stage"],
        stage_id=raw["stageId"],
        kind=raw["kind"],
        shard=raw["shard"],
        shards=raw["shards"],
        attempt=raw["attempt"],
        epoch=raw["epoch"],
        inputs=tuple(
            Input(
                kind=item["kind"],
                folder=folder_of(item["uri"]),
                stage=item.get("stage"),
                sha256=item.get("sha256"),
                meta=item.get("meta") or {},
            )
            for item in raw["inputs"]
        ),
        options=resolve_options(raw["kind"], raw["with"]),
        model=raw.get("model"),
        resources=raw.get("resources") or {},
        seed=raw["seed"],
        folder=Path(raw["folder"]),
        output=Path(raw["output"]),
        events=Path(raw["events"]),
        checkpoint_every=checkpoint.get("every"),
        checkpoint_keep=checkpoint.get("keep", 3),
        checkpoint_keep_every=checkpoint.get("keepEvery"),
        resume=_resume_point(raw.get("resume")),
        deadline=raw.get("deadline"),
        heartbeat_seconds=raw.get("heartbeatSeconds", 10),
        stand_ins=raw.get("standIns"),
        raw=raw,
    )


def _resume_point(raw: dict[str, Any] | None) -> ResumePoint | None:
    if raw is None:
        return None
    older = raw.get("older")
    return ResumePoint(
        folder=folder_of(raw["uri"]),
        step=raw["step"],
        sha256=raw["sha256"],
        fork=raw.get("fork", False),
        older=None if older is None else tuple(point for point in map(_resume_point, older) if point),
    )
