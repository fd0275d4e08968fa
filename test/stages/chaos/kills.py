"""Moments at which a training is killed, drawn from a seed."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, kw_only=True, slots=True)
class Kill:
    """One moment. Either an exact place in the program (`place`), or a time after an event."""

    name: str
    place: str | None = None
    """For hooks/sitecustomize.py; `{folder}` is that of the attempt."""
    event: dict[str, Any] | None = None
    """The event after which it dies: fields that have to be equal, `step` at least so large. None: the start."""
    after: float = 0.0
    """Seconds after that event."""

    def __str__(self) -> str:
        where = (
            self.place if self.place is not None else f"{self.after:.2f} s after {self.event or 'the start'}"
        )
        return f"{self.name} ({where})"

    def variable(self, folder: Path) -> dict[str, str]:
        """Environment of the attempt that is to die so."""
        return {} if self.place is None else {"LEGALONE_TEST_KILL": self.place.format(folder=folder)}

    def is_due(self, events: list[dict[str, Any]]) -> bool:
        """Whether the event has been seen; of a place never, since the program dies by itself."""
        if self.place is not None:
            return False
        return self.event is None or any(self._fits(event) for event in events)

    def _fits(self, seen: dict[str, Any]) -> bool:
        wanted = dict(self.event or {})
        step = wanted.pop("step", 0)
        return seen.get("step", 0) >= step and all(seen.get(key) == value for key, value in wanted.items())


def draw_kill(chance: random.Random, *, steps: int) -> Kill:
    """Any moment of an attempt; the short windows of a save are drawn as often as the long rest."""
    n = chance.choice([1, 1, 1, 2, 3])
    after = chance.random()
    return chance.choice(
        [
            Kill(name="while starting or loading", after=4 * after),
            Kill(name="while compiling", event={"type": "phase", "phase": "compiling"}, after=3 * after),
            Kill(
                name="in a step",
                event={"type": "progress", "step": chance.randrange(1, steps)},
                after=after / 10,
            ),
            Kill(
                name="in a step",
                event={"type": "metric", "step": chance.randrange(1, steps)},
                after=after / 10,
            ),
            Kill(name="at some time", after=12 * after),
            Kill(name="while saving", place=f"open|/.step-|{chance.randrange(1, 24)}"),
            Kill(name="while saving", event={"type": "phase", "phase": "saving"}, after=after / 100),
            # A save renames state.json, manifest.json and the folder.
            Kill(name="before the manifest", place=f"os.rename|/.step-|{3 * n - 1}"),
            Kill(name="between manifest and rename", place=f"os.rename|/.step-|{3 * n}"),
            Kill(name="between rename and event", place=f"open|={{folder}}|{n}"),
            Kill(name="between event and pruning", place=f"shutil.rmtree|{{folder}}/step-|{2 + 2 * n}"),
            Kill(name="while measuring", event={"type": "phase", "detail": "measuring"}, after=after),
            Kill(name="while the model is written", place="open|/output/model/|1"),
        ]
    )
