"""What the early look says of real queries that a task is to be worded like."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from support.early import look_early

from stages._worker.config_form import complete_config
from stages._worker.locations import CHECKOUT
from stages._worker.yaml_file import read_yaml


def look(address: Path) -> list[dict[str, str]]:
    lead: dict[str, Any] = {"name": "demo", **read_yaml(CHECKOUT / "configs" / "lead" / "demo.yaml")}
    lead["tasks"]["charge_choice"]["routes"]["aligned"] = {"share": 1, "ask": "问", "queries": str(address)}
    return look_early({"kind": "lead-prompts", "with": {"lead": complete_config("lead", lead)}})


def test_queries_are_looked_at_line_by_line(tmp_path: Path) -> None:
    file = tmp_path / "queries.jsonl"
    file.write_text('{"question": "一"}\n怎么办？\n', encoding="utf-8")
    assert look(file) == []
    file.write_text('{"question": "一"}\n{"text": "二"}\n', encoding="utf-8")
    (found,) = look(file)
    assert found["message"].startswith(
        f"queries of charge_choice: {file}:2: expected an object with question or query"
    )
    file.write_text("怎么办？\n", encoding="gb18030")
    (found,) = look(file)
    assert found["message"].endswith("byte 0 is no UTF-8")
    (found,) = look(tmp_path / "gone.jsonl")
    assert found["address"] == str(tmp_path / "gone.jsonl")


def test_a_config_with_a_pool_twice_is_refused() -> None:
    lead = {"name": "demo", **read_yaml(CHECKOUT / "configs" / "lead" / "demo.yaml")}
    for task in lead["tasks"].values():
        task["pool"]["name"] = "both"
    (found,) = look_early({"kind": "lead-prompts", "with": {"lead": lead}})
    assert "two tasks have the pool both" in found["message"]
