import json
import os
import signal
import sys
from pathlib import Path

import pytest
from support.jobs import make_job, read_events, result_of, run_stage, signal_when, stderr_of

PROGRAM = """
import errno, time
from stages._worker import failures
from stages._worker.protocol import main

def run(job, worker):
    worker.phase("training")
    worker.progress(1, 2, "steps")
    {body}

main(run)
"""

ENDS = {
    "pass": (0, "succeeded", "completed"),
    "raise failures.UserError('seen a, expected b', hint='do c')": (64, "failed", "user_error"),
    "raise failures.DataError('broken')": (65, "failed", "data_error"),
    "raise failures.ResumeRefused('other order')": (3, "failed", "resume_refused"),
    "raise failures.EndpointUnavailable('no answer')": (69, "failed", "endpoint_unavailable"),
    "worker.metric('loss', 1, float('nan'))": (76, "failed", "nan_loss"),
    "raise OSError(errno.ENOSPC, 'No space left on device')": (74, "failed", "disk_full"),
    "raise MemoryError()": (77, "failed", "out_of_memory"),
    "import numpy; numpy.ones(1 << 50)": (77, "failed", "out_of_memory"),
    "raise RuntimeError('Memory not enough: current free memory size[1] is smaller')": (
        77,
        "failed",
        "out_of_memory",
    ),
    "raise KeyError('surprise')": (70, "failed", "crashed"),
}


def program(folder: Path, body: str) -> list[str]:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "program.py"
    path.write_text(PROGRAM.format(body=body), encoding="utf-8")
    return [str(path)]


def test_counting_says_what_how_far_and_what_is_left(tmp_path: Path) -> None:
    body = (
        "import stages._worker.worker as w; w.SAID_EVERY = 0.05; "
        "tell = worker.counting('measuring 9 documents', 'documents'); "
        "[(time.sleep(0.1), tell(done, 9)) for done in range(1, 10)]; worker.finish()"
    )
    assert run_stage(make_job("export", tmp_path), program(tmp_path, body)) == 0
    said = [event for event in read_events(tmp_path) if event["type"] == "phase"][1:]
    assert {event["phase"] for event in said} == {"training"}
    assert said[0]["detail"] == "measuring 9 documents"
    assert said[1]["detail"] == "measuring 9 documents: 1 of 9 documents, about 1 s left"
    assert [event["detail"].split(": ")[1][:6] for event in said[1:]] == [f"{n} of 9" for n in range(1, 9)]


@pytest.mark.parametrize("body", ENDS)
def test_every_end_has_its_code_and_reason(tmp_path: Path, body: str) -> None:
    code, status, reason = ENDS[body]
    job = make_job("export", tmp_path)
    assert run_stage(job, program(tmp_path, body)) == code
    events = read_events(tmp_path)
    assert [event["type"] for event in events][:3] == ["started", "phase", "progress"]
    result = result_of(job)
    assert (result["status"], result["reason"]) == (status, reason)
    if reason == "user_error":
        assert (result["message"], result["hint"]) == ("seen a, expected b", "do c")
    assert ("Traceback" in stderr_of(job)) == (reason == "crashed")


def test_wrong_options_are_all_named(tmp_path: Path) -> None:
    job = make_job("export", tmp_path, **{"with": {"dtype": "int3", "nmae": "x"}})
    assert run_stage(job, program(tmp_path, "pass")) == 64
    message = result_of(job)["message"]
    assert "with.dtype" in message and "nmae" in message


def test_a_file_that_is_no_job_is_refused(tmp_path: Path) -> None:
    job = make_job("export", tmp_path)
    del job["seed"]
    assert run_stage(job, program(tmp_path, "pass")) == 64
    assert "'seed' is a required property" in stderr_of(job)


def test_sigterm_ends_as_stopped_and_the_heart_beats_until_then(tmp_path: Path) -> None:
    job = make_job("export", tmp_path, heartbeatSeconds=0.05)
    script = program(tmp_path, "\n    while not worker.wait(0.01): pass\n    worker.raise_if_stopping()")
    code = signal_when(job, signal.SIGTERM, lambda events: count(events, "heartbeat") > 2, script)
    assert code == 75
    assert result_of(job)["status"] == "stopped"
    beat = next(event for event in read_events(tmp_path) if event["type"] == "heartbeat")
    assert beat["step"] == 1 and beat["rssBytes"] > 1_000_000


# Minutes in C, where no handler of Python runs: like a compiler.
DEEP = "__import__('hashlib').pbkdf2_hmac('sha256', b'', b'', 2_000_000_000)"


def test_sigterm_reaches_a_worker_that_is_deep_in_a_compiler(tmp_path: Path) -> None:
    job = make_job("export", tmp_path)
    script = program(tmp_path, f"worker.phase('compiling'); {DEEP}")
    assert signal_when(job, signal.SIGTERM, lambda events: last_phase(events) == "compiling", script) == 75
    result = result_of(job)
    assert (result["status"], result["reason"]) == ("stopped", "stopped")
    assert result["message"] == "stopped by SIGTERM in phase compiling, nothing to save"


def test_another_signal_with_a_handler_stops_nothing(tmp_path: Path) -> None:
    body = (
        "import os, signal; signal.signal(signal.SIGUSR1, lambda *_: None); worker.phase('loading'); "
        "os.kill(os.getpid(), signal.SIGUSR1); time.sleep(1.5); worker.raise_if_stopping()"
    )
    job = make_job("export", tmp_path)
    assert run_stage(job, program(tmp_path, body)) == 0, stderr_of(job)


def test_a_worker_that_holds_work_is_left_to_save_it(tmp_path: Path) -> None:
    job = make_job("export", tmp_path)
    body = (
        "worker.unsaved = True; worker.phase('loading'); worker.wait(60); time.sleep(1); "
        "worker.warning('saved'); raise failures.Stopped('saved it')"
    )
    code = signal_when(
        job, signal.SIGTERM, lambda events: last_phase(events) == "loading", program(tmp_path, body)
    )
    assert code == 75
    assert result_of(job)["message"] == "saved it"
    assert count(read_events(tmp_path), "warning") == 1


def last_phase(events: list[dict]) -> str | None:
    return next((event["phase"] for event in reversed(events) if event["type"] == "phase"), None)


def test_a_full_disk_under_the_event_file_still_names_its_reason(tmp_path: Path) -> None:
    if not os.path.exists("/dev/full"):
        assert sys.platform != "linux"
        return
    job = make_job("export", tmp_path, events="/dev/full")
    assert run_stage(job, program(tmp_path, "pass")) == 74


def count(events: list[dict], kind: str) -> int:
    return sum(event["type"] == kind for event in events)


def test_the_job_file_reaches_the_program_whole(tmp_path: Path) -> None:
    source = tmp_path / "model folder"
    source.mkdir()
    job = make_job(
        "export", tmp_path, inputs={"model": source}, checkpoint={"every": 5}, **{"with": {"name": "名"}}
    )
    body = (
        "import json; worker.finish(summary={'name': job.options['name'], 'dtype': job.options['dtype'], "
        "'model': str(job.input('model')), 'every': job.checkpoint_every, 'keep': job.checkpoint_keep})"
    )
    assert run_stage(job, program(tmp_path, body)) == 0
    assert result_of(job)["summary"] == {
        "name": "名",
        "dtype": "bfloat16",
        "model": str(source),
        "every": 5,
        "keep": 3,
    }
    assert json.loads((tmp_path / "job.json").read_text(encoding="utf-8"))["with"] == {"name": "名"}


MATMUL = """
import resource
import mindspore as ms
import numpy as np
from stages._worker.model import device
from stages._worker.protocol import main


class Square(ms.nn.Cell):
    def construct(self, x):
        return ms.ops.sum(ms.ops.matmul(ms.ops.reshape(x, (-1, 1)), ms.ops.reshape(x, (1, -1))))


def run(job, worker):
    device.set_up()
    square = Square()
    square(ms.Tensor(np.ones(8, np.float32)))
    with open("/proc/self/statm") as sizes:
        used = 4096 * int(sizes.read().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (used + (300 << 20),) * 2)
    square(ms.Tensor(np.ones(60_000, np.float32)))


if __name__ == "__main__":
    main(run)
"""


@pytest.mark.long
@pytest.mark.skipif(sys.platform != "linux", reason="limits the address space of a process")
def test_mindspore_without_memory_ends_as_out_of_memory(tmp_path: Path) -> None:
    script = tmp_path / "program.py"
    script.write_text(MATMUL, encoding="utf-8")
    job = make_job("export", tmp_path)
    assert run_stage(job, [str(script)]) == 77, stderr_of(job)
    assert result_of(job)["reason"] == "out_of_memory"
