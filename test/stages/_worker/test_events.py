import threading
from pathlib import Path

import pytest
from support.jobs import read_events

from stages._worker.events import EventFile
from stages._worker.job import protocol_validator


def test_lines_of_many_threads_stay_whole(tmp_path: Path) -> None:
    events = EventFile(tmp_path / "events.jsonl")

    def say(name: int) -> None:
        for step in range(200):
            events.write("metric", name=f"m{name}", step=step, value=1.0)

    threads = [threading.Thread(target=say, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    events.close()
    seen = read_events(tmp_path)
    assert len(seen) == 800
    assert [event["step"] for event in seen if event["name"] == "m2"] == list(range(200))


def test_a_torn_line_of_a_killed_program_is_ended_first(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(b'{"type":"progress","at":"2026')
    events = EventFile(path)
    events.write("warning", message="one")
    events.write("warning", message="two")
    events.close()
    lines = path.read_text(encoding="utf-8").splitlines()
    assert lines[0] == '{"type":"progress","at":"2026'
    assert ['"one"' in lines[1], '"two"' in lines[2], len(lines)] == [True, True, 3]


def test_nothing_follows_the_last_event(tmp_path: Path) -> None:
    events = EventFile(tmp_path / "events.jsonl")
    assert events.write("result", last=True, status="stopped")
    assert not events.write("result", last=True, status="succeeded")
    assert not events.write("warning", message="late")
    events.close()
    assert [event["type"] for event in read_events(tmp_path)] == ["result"]


@pytest.mark.parametrize(
    "text",
    ["a\0b", "\ud800", "😀" * 9000, "x" * 1_000_000, "\x1b]0;owned\x07", "\u202e", "x" * 9999 + "😀" * 9],
)
def test_whatever_a_text_holds_its_event_fits_the_protocol(tmp_path: Path, text: str) -> None:
    events = EventFile(tmp_path / "events.jsonl")
    events.write("warning", message=text)
    events.write("phase", phase="loading", detail=text)
    summary = {"a": [{text[:400]: text[:90_000]}, float("nan")]}
    events.write("result", status="failed", message=text, hint=text, summary=summary)
    events.close()
    seen = read_events(tmp_path)
    assert [list(protocol_validator("Event").iter_errors(event)) for event in seen] == [[], [], []]
    assert seen[2]["summary"]["a"][1] is None
    assert len(seen[0]["message"].encode("utf-16-le")) // 2 <= 10_000
    if "x" in text or "owned" in text:
        assert seen[0]["message"][:5] == text[:5]
