"""Our learning rate in the words of MindFormers' WarmUpStableDecayLR.

Its formula at step t (from 0), in fp32: below `warmup_steps` init + (lr - init) t / warmup_steps; below
`decay_start_steps` lr t / t; then lr - (lr - lr_end) (t - decay_start_steps) / (total_steps - decay_start_steps).
Ours gives the first step lr / W and the last one exactly lr_end, so all its lengths are one shorter. Its stable
phase is 0 / 0 at step 0: the warm-up has to cover that step.
"""

from __future__ import annotations

from typing import Any

from stages._worker.failures import UserError
from stages._worker.training.schedule import Schedule


def warm_up_stable_decay(schedule: Schedule) -> dict[str, Any]:
    """The `lr_schedule` of the YAML; a UserError names what that class cannot do, and the fix."""
    _refuse_what_it_cannot(schedule)
    steps, warmup, decay = schedule.steps, schedule.warmup, schedule.decay
    # Without a decay its branch is never reached; its length must still not be 0.
    start, total = (steps - decay - 1, steps - 1) if decay else (steps, steps + 1)
    return {
        "type": "WarmUpStableDecayLR",
        "learning_rate": float(schedule.max),
        "lr_end": float(schedule.min),
        "warmup_lr_init": schedule.max / warmup,
        "warmup_steps": warmup - 1,
        "decay_start_steps": start,
        "total_steps": total,
    }


def _refuse_what_it_cannot(schedule: Schedule) -> None:
    where = "with.schedule for the MindFormers trainer"
    if schedule.shape != "linear":
        raise UserError(
            f"{where}: shape {schedule.shape} is not built, WarmUpStableDecayLR falls on a line",
            hint="set schedule.shape to linear",
        )
    if schedule.warmup < 2:
        raise UserError(
            f"{where}: warmup {schedule.warmup}; WarmUpStableDecayLR divides by the step after the warm-up, "
            "which is 0 / 0 at the first one",
            hint="set schedule.warmup to 2 or more",
        )
    if not schedule.min < schedule.max:
        raise UserError(
            f"{where}: min {schedule.min} is not below max {schedule.max}, which WarmUpStableDecayLR refuses",
            hint="set schedule.min below schedule.max",
        )
