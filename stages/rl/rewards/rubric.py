"""A judge model marks an answer by the criteria of a rubric: judgment prediction, document drafting.

A judge that does not answer is never a reward of 0: the client waits and tries again, then the stage ends with
EndpointUnavailable and goes on later from its checkpoint. A reply that cannot be read after all tries gives an
answer no verdict, and it leaves its group.
"""

import asyncio
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from stages._lead.chat import ChatClient
from stages._lead.endpoint import Endpoint, endpoint_of
from stages._lead.replies import BadReply
from stages._lead.response_cache import FILE, ResponseCache
from stages._worker.failures import UserError
from stages.rl.rewards.registry import Question

_PLACES = re.compile(r"\{(question|reference|answer|criteria|highest)\}")


class Rubric:
    """Reward = sum of weight * mark / highest, over the sum of weights."""

    def __init__(self, rubric: dict[str, Any], endpoint: Endpoint, cache: Path) -> None:
        self._rubric = rubric
        self._endpoint = endpoint
        self._cache = cache
        mark = {"type": "integer", "minimum": 0, "maximum": rubric["highest"]}
        names = [criterion["id"] for criterion in rubric["criteria"]]
        self._schema = {
            "type": "object",
            "required": names,
            "properties": {name: mark for name in names},
        }

    def score(self, question: Question, answers: Sequence[str]) -> list[float | None]:
        return asyncio.run(self._score_all(question, answers))

    async def _score_all(self, question: Question, answers: Sequence[str]) -> list[float | None]:
        cache = ResponseCache(self._cache / FILE, [])
        try:
            async with ChatClient(self._endpoint, cache) as client:
                return await asyncio.gather(*(self._one(client, question, answer) for answer in answers))
        finally:
            cache.close()

    async def _one(self, client: ChatClient, question: Question, answer: str) -> float | None:
        try:
            reply = await client.ask("", self.message(question, answer), schema=self._schema)
        except BadReply:
            return None
        total = sum(criterion["weight"] for criterion in self._rubric["criteria"])
        marks = (
            criterion["weight"] * reply.data[criterion["id"]] / self._rubric["highest"]
            for criterion in self._rubric["criteria"]
        )
        return sum(marks) / total

    def message(self, question: Question, answer: str) -> str:
        """What the judge reads. All places are filled in one pass, so an answer cannot bring places of its own."""
        values = {
            "question": question.prompt,
            "reference": question.reference,
            "answer": answer,
            "criteria": "\n".join(f"- {item['id']}：{item['text']}" for item in self._rubric["criteria"]),
            "highest": str(self._rubric["highest"]),
        }
        return _PLACES.sub(lambda place: values[place.group(1)], self._rubric["instruction"])


def build(settings: dict[str, Any]) -> Rubric:
    """`rubric` (resolved configs/rubrics/*.yaml), `judge` (with.judge of the stage) and `cache` (folder of replies)."""
    rubric, judge = settings.get("rubric"), settings.get("judge")
    if not rubric or not judge:
        raise UserError("a level with the reward rubric needs `rubric`, and the stage `judge`")
    return Rubric(rubric, endpoint_of({"judge": judge}, "judge"), Path(settings["cache"]))
