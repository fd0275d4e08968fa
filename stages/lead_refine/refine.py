"""Trajectory refinement: knowledge made one's own, then one trace out of the local chains."""

from __future__ import annotations

from typing import Any

from stages._lead import sections
from stages._lead.chat import ChatClient
from stages._lead.replies import BadReply
from stages._lead.templates import fill

_MERGED = {
    "type": "object",
    "required": ["think", "answer"],
    "properties": {"think": {"type": "string"}, "answer": {"type": "string"}},
}


async def refine(
    config: dict[str, Any], client: ChatClient, trajectory: dict[str, Any]
) -> dict[str, Any] | None:
    """{prompt…, think, answer, flags, teacher}, or None when the teacher gave no usable reply.

    The internaliser rewrites open-book reasoning as closed-book reasoning and keeps the conclusion; the merger
    joins the nodes into one end-to-end trace.
    """
    task = config["tasks"][trajectory["task"]]
    conclusion = trajectory["steps"][-1]["text"]
    limits = f"{task['think_characters']} {task['answer_characters']}"
    try:
        closed = await client.ask(
            config["system"], _prompt(config, trajectory, "internalise", limits, join_steps(trajectory))
        )
        merged = await client.ask(
            config["system"],
            _prompt(config, trajectory, "merge", limits, closed.text, conclusion),
            schema=_MERGED,
        )
    except BadReply:
        return None
    flags = [*trajectory["flags"]]
    flags += [
        f"truncated:{name}" for name, reply in (("internalise", closed), ("merge", merged)) if reply.truncated
    ]
    kept = {key: value for key, value in trajectory.items() if key not in ("steps", "retrieved")}
    think, answer = merged.data["think"].strip(), merged.data["answer"].strip()
    return {**kept, "think": think, "answer": answer, "flags": flags, "teacher": client.endpoint.describe()}


def join_steps(trajectory: dict[str, Any]) -> str:
    """The nodes' outputs, one a line."""
    return "\n".join(f"{sections.NODES[step['node']]}：{step['text']}" for step in trajectory["steps"])


def _prompt(
    config: dict[str, Any],
    trajectory: dict[str, Any],
    step: str,
    limits: str,
    trace: str,
    conclusion: str = "",
) -> str:
    heading = sections.STEP_INTERNALISE if step == "internalise" else sections.STEP_MERGE
    return sections.write_sections(
        [
            (sections.STEP, heading),
            (sections.TASK, trajectory["task"]),
            (sections.QUESTION, trajectory["question"]),
            (sections.TRACE, trace),
            (sections.ANSWER, conclusion),
            (sections.LIMITS, limits),
            (sections.INSTRUCTION, fill(config[step], task=trajectory["task"])),
        ]
    )
