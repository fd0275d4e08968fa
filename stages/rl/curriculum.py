"""The curriculum: levels in order, each ended by its gate. Pure; the position is part of the checkpoint."""

from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

Ending = Literal["threshold", "plateau", "ceiling"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Gate:
    """When a level ends: by reward or by a plateau, but never before the floor and always at the ceiling."""

    min_steps: int
    max_steps: int
    window: int  # steps whose mean reward is looked at
    threshold: float | None = None  # ends when the mean over the window is at least this
    plateau: float | None = None  # ends when that mean rose by less than this over the window before

    def __post_init__(self) -> None:
        if not 0 <= self.min_steps <= self.max_steps or self.max_steps < 1:
            raise ValueError(f"0 <= min_steps ({self.min_steps}) <= max_steps ({self.max_steps}) must hold")
        if self.window < 1:
            raise ValueError(f"window is {self.window} and must be at least 1")


@dataclass(frozen=True, kw_only=True, slots=True)
class Position:
    """Where the curriculum stands: `step` steps of level number `level` are done."""

    level: int = 0
    step: int = 0
    rewards: tuple[float, ...] = ()  # mean rewards of the last two windows of steps
    ended: tuple[dict[str, Any], ...] = ()  # {level, steps, ending, reward} of the levels before

    def as_json(self) -> dict[str, Any]:
        """For the checkpoint."""
        return asdict(self)

    @staticmethod
    def from_json(value: dict[str, Any]) -> "Position":
        """From the checkpoint."""
        return Position(
            level=value["level"],
            step=value["step"],
            rewards=tuple(value["rewards"]),
            ended=tuple(value["ended"]),
        )


def ending_of(gate: Gate, steps: int, rewards: tuple[float, ...]) -> Ending | None:
    """Why a level ends after `steps` steps, the last of which had these mean rewards; None when it goes on."""
    if steps < gate.min_steps:
        return None
    recent = _mean(rewards[-gate.window :]) if len(rewards) >= gate.window else None
    if gate.threshold is not None and recent is not None and recent >= gate.threshold:
        return "threshold"
    if gate.plateau is not None and recent is not None and len(rewards) >= 2 * gate.window:
        before = _mean(rewards[-2 * gate.window : -gate.window])
        if recent - before < gate.plateau:
            return "plateau"
    return "ceiling" if steps >= gate.max_steps else None


def advance(position: Position, gate: Gate, reward: float) -> tuple[Position, Ending | None]:
    """The position after one more step with this mean reward, and how the level ended if it did."""
    steps = position.step + 1
    rewards = (*position.rewards, float(reward))[-2 * gate.window :]
    ending = ending_of(gate, steps, rewards)
    if ending is None:
        return replace(position, step=steps, rewards=rewards), None
    record = {
        "level": position.level,
        "steps": steps,
        "ending": ending,
        "reward": _mean(rewards[-gate.window :]),
    }
    return Position(level=position.level + 1, ended=(*position.ended, record)), ending


def _mean(values: tuple[float, ...]) -> float:
    return sum(values) / len(values)
