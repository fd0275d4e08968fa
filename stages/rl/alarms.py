"""Alarms: known ways in which RL goes wrong, seen in its own numbers. Pure."""

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """Where an alarm begins."""

    flat_steps: int  # steps in a row in which no group had spread
    length_growth: float  # mean length against the mean of the level's first steps
    entropy_below: float  # nats a token
    clip_share_above: float
    forgotten: float  # fall of an earlier level's probe reward


@dataclass(kw_only=True, slots=True)
class Watch:
    """Counts what the alarms of one level need; part of the checkpoint."""

    flat: int = 0
    first_lengths: list[float] = field(default_factory=list)
    raised: list[str] = field(default_factory=list)  # each alarm is raised once a level

    def as_json(self) -> dict[str, Any]:
        """For the checkpoint."""
        return asdict(self)


_FIRST = 5  # steps whose length stands for the start of a level


def look(
    watch: Watch,
    limits: Limits,
    *,
    level: str,
    flat: bool,
    length: float,
    entropy: float | None,
    clip_share: float | None,
) -> list[tuple[str, str]]:
    """New alarms (code, message) after a step; `watch` is moved on."""
    found: list[tuple[str, str]] = []
    watch.flat = watch.flat + 1 if flat else 0
    if watch.flat >= limits.flat_steps:
        found.append(
            (
                "no_spread",
                f"level {level}: no group with differing rewards in {watch.flat} steps in a row; "
                "its prompts are too easy or too hard, renew the pool",
            )
        )
    if len(watch.first_lengths) < _FIRST:
        watch.first_lengths.append(length)
    else:
        start = sum(watch.first_lengths) / _FIRST
        if length > limits.length_growth * start:
            found.append(("length", f"level {level}: answers grew from {start:.0f} to {length:.0f} tokens"))
    if entropy is not None and entropy < limits.entropy_below:
        found.append(("entropy", f"level {level}: entropy fell to {entropy:.3f} nats a token"))
    if clip_share is not None and clip_share > limits.clip_share_above:
        found.append(("clip_share", f"level {level}: {clip_share:.0%} of the tokens are clipped"))
    fresh = [alarm for alarm in found if alarm[0] not in watch.raised]
    watch.raised.extend(code for code, _ in fresh)
    return fresh


def forgotten(before: float, now: float, limits: Limits, *, level: str) -> tuple[str, str] | None:
    """The alarm for an earlier level whose probe reward fell since its own end."""
    if before - now <= limits.forgotten:
        return None
    return ("forgotten", f"level {level}: its probe reward fell from {before:.3f} to {now:.3f}")
