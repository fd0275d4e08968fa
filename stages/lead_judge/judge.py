"""The judge: marks of 1 to 10 on six axes; one mark under the limit drops the sample."""

from __future__ import annotations

from typing import Any

from stages._lead import sections
from stages._lead.chat import ChatClient
from stages._lead.replies import BadReply
from stages._lead.templates import fill

AXES = ("reasoning", "consistency", "alignment", "conciseness", "language", "overall")
_SCHEMA = {
    "type": "object",
    "required": list(AXES),
    "properties": {axis: {"type": "number", "minimum": 1, "maximum": 10} for axis in AXES},
}


async def judge(config: dict[str, Any], client: ChatClient, row: dict[str, Any]) -> dict[str, float] | None:
    """Marks by axis, or None when the judge gave no usable reply."""
    task = config["tasks"][row["task"]]
    prompt = sections.write_sections(
        [
            (sections.STEP, sections.STEP_JUDGE),
            (sections.TASK, row["task"]),
            (sections.QUESTION, row["question"]),
            (sections.REFERENCE, row["reference"]),
            (sections.THINK, row["think"]),
            (sections.ANSWER, row["answer"]),
            (sections.LIMITS, f"{task['think_characters']} {task['answer_characters']}"),
            (sections.INSTRUCTION, fill(config["quality"]["instruction"], task=row["task"], axes=AXES)),
        ]
    )
    try:
        reply = await client.ask(config["quality"]["system"], prompt, schema=_SCHEMA)
    except BadReply:
        return None
    return {axis: reply.data[axis] for axis in AXES}


def lowest_axis(marks: dict[str, float]) -> str:
    """The axis with the lowest mark; `overall` only when no other is as low."""
    return min(AXES, key=lambda axis: marks[axis])
