"""Which checkpoints of an attempt stay, and how its worker removes the others."""

from __future__ import annotations

import errno
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path

CLAIMS = "claims"


def stale_steps(steps: Iterable[int], *, keep: int, keep_every: int | None) -> list[int]:
    """Steps whose checkpoints go: all but the newest `keep` and, where it is set, the multiples of `keep_every`.

    src/core/stale-steps.ts has the same rule, tested with the same cases.
    """
    newest_first = sorted(steps, reverse=True)
    return [step for step in newest_first[keep:] if keep_every is None or step % keep_every != 0]


def remove_stale(root: Path, steps: Iterable[int], *, keep: int, keep_every: int | None) -> None:
    """Removes those of the checkpoints `root`/step-<n> that need not stay, as `steps` lists them.

    What the agent has claimed counts among the `keep`, so that an outage, in which it claims nothing more, costs the
    room of one checkpoint and not of `keep`: the newest always stays, claimed or not.
    """
    steps = list(steps)
    claimed = {step for step in steps if _maker(root / CLAIMS / f"step-{step}") == "agent"}
    own = [step for step in steps if step not in claimed]
    remove_unclaimed(root, stale_steps(own, keep=max(1, keep - len(claimed)), keep_every=keep_every))


def remove_unclaimed(root: Path, steps: Iterable[int]) -> None:
    """Removes those of the checkpoints `root`/step-<n> that nobody else has claimed.

    One that the agent claimed the records may name: it removes it itself, once a newer one is committed. Who makes the
    link claims/step-<n> first has the checkpoint, so neither can take it from the other between a look and a deed.
    """
    claims = root / CLAIMS
    for step in steps:
        claims.mkdir(exist_ok=True)
        folder, claim = root / f"step-{step}", claims / f"step-{step}"
        if folder.is_symlink() or claims.is_symlink():
            # What a link leads to is nobody's checkpoint.
            print(
                f"warning: {folder} is not removed: a link stands where a folder should be", file=sys.stderr
            )
            continue
        try:
            claim.symlink_to("worker")
        except FileExistsError:
            if _maker(claim) == "worker":  # begun before, and cut off
                shutil.rmtree(folder, ignore_errors=True)
            continue
        # The agent gives up its claim on one that it has removed: since `steps` were listed this one may be gone.
        if folder.exists():
            shutil.rmtree(folder)
        claim.unlink()


def _maker(claim: Path) -> str | None:
    try:
        return str(claim.readlink())
    except OSError as error:
        # There is none, it was given up in this moment, or something else than a link stands there.
        if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.EINVAL):
            raise
        return None
