"""The judge's marks for texts that passed the check."""

from __future__ import annotations

from typing import Any

from stages._lead import sections
from stages._lead.chat import ChatClient
from stages._lead.replies import BadReply
from stages._lead.templates import fill
from stages.synthetic.faithfulness.check import Fault
from stages.synthetic.writing import Written, material_of

AXES = ("faithful", "useful")
_SCHEMA = {
    "type": "object",
    "required": list(AXES),
    "properties": {axis: {"type": "number", "minimum": 1, "maximum": 10} for axis in AXES},
}


async def judge_text(config: dict[str, Any], client: ChatClient, written: Written) -> dict[str, float] | None:
    """Marks of 1 to 10 by axis, or None for a judge without a usable reply. A low mark becomes the text's fault."""
    quality = config["quality"]
    shown = written.source["text"][: config["material_characters"]]
    title = config[written.wanted.product][written.wanted.template]["title"]
    prompt = sections.write_sections(
        [
            (sections.STEP, sections.STEP_FAITHFUL),
            (sections.TASK, title),
            (sections.MATERIAL, "\n" + material_of(written.source, shown)),
            (sections.ANSWER, written.text),
            (sections.INSTRUCTION, fill(quality["instruction"], title=title, axes=AXES)),
        ]
    )
    try:
        reply = await client.ask(quality["system"], prompt, schema=_SCHEMA)
    except BadReply as error:
        written.fault = Fault(reason="judge:bad_reply", detail=str(error))
        return None
    marks = {axis: reply.data[axis] for axis in AXES}
    lowest = min(AXES, key=lambda axis: marks[axis])
    if marks[lowest] < quality["lowest"]:
        written.fault = Fault(
            reason=f"judge:{lowest}", detail=f"{marks[lowest]:g} of 10, at least {quality['lowest']:g}"
        )
    return marks
