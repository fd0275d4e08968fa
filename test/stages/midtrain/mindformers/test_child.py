"""Children of the stage: real processes that end with it, whatever it ends by."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from support.jobs import CHECKOUT, make_job
from support.processes import has_ended, wait_until

from stages._worker.events import EventFile
from stages._worker.failures import Stopped
from stages._worker.job import parse_job
from stages._worker.worker import Worker
from stages.midtrain.mindformers.children.child import NO_PROGRAM, run_child
from stages.midtrain.mindformers.children.tailed_log import TailedLog

STUBBORN = (
    "import os, signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
    "print(os.getpid(), flush=True); time.sleep(60)"
)


@pytest.fixture
def stop() -> threading.Event:
    return threading.Event()


@pytest.fixture
def worker(tmp_path: Path, stop: threading.Event) -> Worker:
    job = parse_job(make_job("midtrain", tmp_path))
    return Worker(job, EventFile(job.events), stop)


def pid_in(log: Path) -> int:
    wait_until(lambda: log.is_file() and log.read_text().strip() != "")
    return int(log.read_text())


def test_its_lines_are_kept_and_passed_on_and_its_code_comes_back(
    tmp_path: Path, worker: Worker, capsys: pytest.CaptureFixture[str]
) -> None:
    program = "import os, sys; print(os.environ['WORD']); print('torn', end=''); sys.exit(3)"
    log = tmp_path / "logs" / "child.log"
    command = [sys.executable, "-c", program]
    assert run_child(worker, command, log=log, what="a test", env={"WORD": "一行"}) == 3
    assert log.read_text() == "一行\ntorn" and capsys.readouterr().out == "一行\n"
    assert run_child(worker, ["no-such-program"], log=log, what="a test") == NO_PROGRAM
    assert "cannot start no-such-program" in log.read_text()


def test_one_that_does_not_listen_to_sigterm_is_killed(
    tmp_path: Path, worker: Worker, stop: threading.Event
) -> None:
    log = tmp_path / "child.log"
    threading.Thread(target=lambda: (pid_in(log), stop.set())).start()
    with pytest.raises(Stopped, match="stopped by SIGTERM during a test"):
        run_child(worker, [sys.executable, "-c", STUBBORN], log=log, what="a test", grace=0.5)
    assert has_ended(pid_in(log))


def test_it_dies_with_a_stage_that_was_killed(tmp_path: Path) -> None:
    log = tmp_path / "child.log"
    stage = (
        "import sys, time; from pathlib import Path\n"
        "from stages.midtrain.mindformers.children.child import child\n"
        f"with child([sys.executable, '-c', {STUBBORN!r}], log=Path({str(log)!r})): time.sleep(60)"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", stage], cwd=CHECKOUT, env={**os.environ, "PYTHONPATH": str(CHECKOUT)}
    )
    pid = pid_in(log)
    assert not has_ended(pid)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    wait_until(lambda: has_ended(pid))


def test_a_log_is_read_by_whole_lines(tmp_path: Path) -> None:
    log = TailedLog(tmp_path / "a.log")
    assert list(log.lines()) == []
    log.path.write_bytes("一\n二".encode()[:-1])
    assert list(log.lines()) == ["一"]
    with log.path.open("ab") as file:
        file.write("二".encode()[-1:] + b"\n")
    assert list(log.lines()) == ["二"]
