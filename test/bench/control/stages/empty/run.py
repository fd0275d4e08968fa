"""empty: a worker of the standard library alone. Says `started`, commits one artifact, says `result`.

Writes marks.json into the attempt's folder: CLOCK_MONOTONIC in ns when the interpreter came to this file (`born`),
when the body of the step began (`begin`, after `started` is on disk) and ended (`end`, before the artifact is made).
"""

import time

BORN = time.monotonic_ns()

import json  # noqa: E402
import os  # noqa: E402
import sys  # noqa: E402


def main() -> None:
    """One empty step."""
    with open(sys.argv[sys.argv.index("--job") + 1], encoding="utf-8") as file:
        job = json.load(file)
    events = os.open(job["events"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    def say(*lines: dict[str, object]) -> None:
        at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime()) + f".{time.time_ns() // 1_000_000 % 1000:03d}Z"
        text = "".join(json.dumps({**line, "at": at}) + "\n" for line in lines)
        os.write(events, text.encode())
        os.fsync(events)

    say({"type": "started", "attempt": job["attempt"], "epoch": job["epoch"], "pid": os.getpid()})
    begin = time.monotonic_ns()
    end = time.monotonic_ns()
    path = os.path.join(job["output"], "token")
    sha256, size = commit(path, f"{job['attempt']}\n".encode())
    say(
        {"type": "artifact", "kind": "token", "path": path, "sha256": sha256, "bytes": size},
        {"type": "result", "status": "succeeded", "reason": "completed"},
    )
    with open("marks.json", "w", encoding="utf-8") as file:
        json.dump({"born": BORN, "begin": begin, "end": end, "said": time.monotonic_ns()}, file)


def commit(path: str, data: bytes) -> tuple[str, int]:
    """Files, then the manifest; the content hash and the size in bytes."""
    from hashlib import sha256

    os.makedirs(path, exist_ok=True)
    entry = {"path": "token.txt", "size": len(data), "sha256": sha256(data).hexdigest()}
    content = sha256(f"{entry['path']} {entry['size']} {entry['sha256']}\n".encode()).hexdigest()
    manifest = {"version": 1, "sha256": content, "bytes": len(data), "kind": "token", "files": [entry]}
    write(os.path.join(path, "token.txt"), data)
    write(os.path.join(path, "manifest.json"), json.dumps(manifest).encode())
    return content, len(data)


def write(path: str, data: bytes) -> None:
    """Writes a file and waits until it is on disk."""
    with open(path, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


if __name__ == "__main__":
    main()
