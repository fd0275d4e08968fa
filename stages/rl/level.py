"""A level of the curriculum, made ready from its options."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages._worker.config_form import complete_config
from stages._worker.data.tokenizer import Tokenizer
from stages._worker.failures import UserError
from stages.rl.curriculum import Gate
from stages.rl.pool import Pool, read_pool
from stages.rl.rewards.registry import Reward, load_reward


@dataclass(frozen=True, kw_only=True, slots=True)
class Level:
    """One level: its prompts, reward, gate and longest answer."""

    number: int
    name: str
    pool: Pool
    reward: Reward
    gate: Gate
    longest_answer: int  # tokens
    overlong_buffer: int  # tokens before the longest in which the penalty grows


def read_levels(
    options: dict[str, Any],
    samples: list[dict[str, Any]],
    tokenizer: Tokenizer,
    *,
    seed: int,
    cache: Path,
) -> list[Level]:
    """The levels of `with.levels`, in order; a UserError names one that cannot work. Judges keep replies in `cache`."""
    names = [level["name"] for level in options["levels"]]
    if len(set(names)) != len(names):
        raise UserError(f"with.levels: names must differ, saw {', '.join(names)}")
    levels = []
    for number, given in enumerate(options["levels"]):
        if given["overlong_buffer"] >= given["longest_answer"]:
            raise UserError(
                f"level {given['name']}: overlong_buffer {given['overlong_buffer']} must be below "
                f"longest_answer {given['longest_answer']}"
            )
        try:
            gate = Gate(**given["gate"])
        except ValueError as error:
            raise UserError(f"level {given['name']}: {error}") from error
        settings = {
            **complete_config("rewards", given["reward"]),
            "rubric": given["rubric"] and complete_config("rubrics", given["rubric"]),
            "judge": options["judge"],
            "cache": cache,
        }
        levels.append(
            Level(
                number=number,
                name=given["name"],
                pool=read_pool(
                    samples,
                    tokenizer,
                    level=given,
                    longest_prompt=options["longest_prompt"],
                    probes=options["probes"]["prompts"],
                    heldout=options["probes"]["heldout"],
                    seed=seed,
                ),
                reward=load_reward(settings),
                gate=gate,
                longest_answer=given["longest_answer"],
                overlong_buffer=given["overlong_buffer"],
            )
        )
    return levels
