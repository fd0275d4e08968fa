"""Dynamic sampling with a bound: groups whose rewards do not differ are drawn again, a stated number of times."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import numpy as np

from stages.rl.advantage import has_spread


class Group(Protocol):
    """Answers to one prompt, with their rewards of shape (group,)."""

    rewards: np.ndarray


G = TypeVar("G", bound=Group)


@dataclass(kw_only=True, slots=True)
class Drawn(Generic[G]):
    """What the draws of one step brought."""

    mixed: list[G]  # groups with spread, at most as many as wanted
    draws: int  # rounds of generation, 1 .. max_draws
    groups: int = 0  # groups generated in all rounds

    @property
    def short(self) -> bool:
        """No group with spread was found at all: the step can teach nothing."""
        return not self.mixed


def draw_groups(
    draw: Callable[[int, int], Sequence[G]], *, wanted: int, max_draws: int, enough: float
) -> Drawn[G]:
    """Draw until `wanted` groups have spread, or `enough` (a share of wanted), or `max_draws` rounds are used.

    `draw(round, missing)` returns the groups of one round, round = 0, 1, …; what is there is kept when the
    bound is reached. Groups beyond `wanted` are dropped in order.
    """
    if wanted < 1 or max_draws < 1:
        raise ValueError(f"wanted {wanted} and max_draws {max_draws} must be at least 1")
    drawn: Drawn[G] = Drawn(mixed=[], draws=0)
    for number in range(max_draws):
        groups = draw(number, wanted - len(drawn.mixed))
        drawn.draws += 1
        drawn.groups += len(groups)
        for group in groups:
            if has_spread(group.rewards) and len(drawn.mixed) < wanted:
                drawn.mixed.append(group)
        if len(drawn.mixed) >= max(1, int(np.ceil(wanted * enough))):
            break
    return drawn
