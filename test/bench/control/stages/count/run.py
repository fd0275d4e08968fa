"""count: a shard that says it was there, by the standard library alone."""

import json
import os
import sys
import time


def main() -> None:
    """One shard: `started` and `result`."""
    with open(sys.argv[sys.argv.index("--job") + 1], encoding="utf-8") as file:
        job = json.load(file)
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    lines = (
        {"type": "started", "at": at, "attempt": job["attempt"], "epoch": job["epoch"], "pid": os.getpid()},
        {"type": "result", "at": at, "status": "succeeded", "reason": "completed", "metrics": {"shards": 1}},
    )
    events = os.open(job["events"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.write(events, "".join(json.dumps(line) + "\n" for line in lines).encode())
    os.fsync(events)


if __name__ == "__main__":
    main()
