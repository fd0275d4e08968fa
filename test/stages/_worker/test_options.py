from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator
from support.jobs import CHECKOUT

from stages._worker.failures import UserError
from stages._worker.options import resolve_options, stage_definition
from stages._worker.yaml_file import read_yaml

KINDS = sorted(path.parent.name.replace("_", "-") for path in (CHECKOUT / "stages").glob("*/stage.yaml"))


def properties(schema: dict) -> list[tuple[str, dict]]:
    found = []
    for name, inner in schema.get("properties", {}).items():
        found.append((name, inner))
        found += [(f"{name}.{below}", value) for below, value in properties(inner)]
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_every_stage_kind_has_a_sound_schema_with_descriptions(kind: str) -> None:
    definition = stage_definition(kind)
    assert definition["name"] == kind
    Draft202012Validator.check_schema(definition["with"])
    for name, inner in properties(definition["with"]):
        assert inner.get("description"), f"{kind}: {name} has no description"
    # With nothing written, the defaults alone have to be valid.
    resolve_options(kind, {})


def test_defaults_reach_nested_objects() -> None:
    options = resolve_options("midtrain", {"schedule": {"warmup": 3}})
    assert options["schedule"] == {"warmup": 3, "decay": 4000, "max": 3e-4, "min": 3e-6, "shape": "linear"}
    assert options["tokens"] == 1e11 and options["pas"]["lambda"] == 5


def test_the_given_options_are_not_changed() -> None:
    given: dict = {"schedule": {"warmup": 3}}
    resolve_options("midtrain", given)
    assert given == {"schedule": {"warmup": 3}}


def test_an_unknown_kind_is_a_user_error() -> None:
    with pytest.raises(UserError, match="no stage kind 'bake'"):
        resolve_options("bake", {})


def test_numbers_are_read_as_the_control_plane_reads_them(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text("a: 1e9\nb: 1.0e9\nc: 3.0e-4\nd: 1e-3x\ne: 12\nf: '1e9'\n")
    assert read_yaml(path) == {"a": 1e9, "b": 1e9, "c": 3e-4, "d": "1e-3x", "e": 12, "f": "1e9"}
    assert yaml.safe_load("a: 1e9") == {"a": "1e9"}
