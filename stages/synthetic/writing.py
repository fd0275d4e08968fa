"""One text of the teacher: asked for, and looked at as soon as it is there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from stages._lead import sections
from stages._lead.chat import ChatClient
from stages._lead.replies import BadReply
from stages._lead.templates import fill
from stages.synthetic.faithfulness.articles import Statutes
from stages.synthetic.faithfulness.check import Fault, find_fault
from stages.synthetic.plan import Wanted

_STEPS = {"views": (sections.STEP_VIEW, sections.VIEW), "styles": (sections.STEP_REWRITE, sections.STYLE)}


@dataclass(kw_only=True, slots=True)
class Written:
    """What became of one wanted text; `fault` is None as long as nothing speaks against it."""

    wanted: Wanted
    source: dict[str, Any]
    text: str
    fault: Fault | None
    teacher: dict[str, Any]


async def write_text(
    config: dict[str, Any], client: ChatClient, wanted: Wanted, source: dict[str, Any], statutes: Statutes
) -> Written:
    """The teacher's text for one document, checked against what the teacher was shown."""
    template = config[wanted.product][wanted.template]
    shown = source["text"][: config["material_characters"]]
    text, fault = "", None
    try:
        reply = await client.ask(config["system"], writing_prompt(wanted.product, template, source, shown))
        text = reply.text
        if reply.truncated:
            fault = Fault(reason="truncated", detail="the reply was cut off at max_tokens")
    except BadReply as error:
        fault = Fault(reason="bad_reply", detail=str(error))
    if fault is None:
        fault = find_fault(
            text,
            title=source["title"],
            text=shown,
            length=template["length"],
            rules=config["faithfulness"],
            statutes=statutes,
        )
    return Written(wanted=wanted, source=source, text=text, fault=fault, teacher=client.endpoint.describe())


def writing_prompt(product: str, template: dict[str, Any], source: dict[str, Any], shown: str) -> str:
    """What the teacher is given: view or style, the material, the bounds in characters, the instruction."""
    step, heading = _STEPS[product]
    least, most = (round(template["length"][bound] * len(shown)) for bound in ("min", "max"))
    return sections.write_sections(
        [
            (sections.STEP, step),
            (heading, template["title"]),
            (sections.MATERIAL, "\n" + material_of(source, shown)),
            (sections.LIMITS, f"{least} {most}"),
            (sections.INSTRUCTION, fill(template["instruction"], title=template["title"])),
        ]
    )


def material_of(source: dict[str, Any], shown: str) -> str:
    """The document as a section of a prompt shows it."""
    return sections.write_documents([{"title": source["title"], "text": shown}], len(shown))
