"""The agentic chain: five nodes, each given the output of all before it."""

from __future__ import annotations

from typing import Any

from stages._lead import sections
from stages._lead.chat import ChatClient
from stages._lead.knowledge import KnowledgeBase
from stages._lead.replies import BadReply
from stages._lead.templates import fill


async def synthesize(
    config: dict[str, Any], client: ChatClient, knowledge: KnowledgeBase, prompt: dict[str, Any]
) -> dict[str, Any] | None:
    """The trajectory of a prompt: {prompt…, steps, retrieved, flags, teacher}; None when the teacher gave no usable reply."""
    task = config["tasks"][prompt["task"]]
    steps: list[dict[str, str]] = []
    retrieved: list[dict[str, Any]] = []
    flags: list[str] = []
    for node in sections.NODES:
        if node == "rules":
            retrieved = _retrieve(config, knowledge, prompt, steps)
        try:
            reply = await client.ask(
                config["system"], node_prompt(config, task, prompt, node, steps, retrieved)
            )
        except BadReply:
            return None
        if reply.truncated:
            flags.append(f"truncated:{node}")
        steps.append({"node": node, "text": reply.text})
    return {
        **prompt,
        "steps": steps,
        "retrieved": [article["id"] for article in retrieved],
        "flags": flags,
        "teacher": client.endpoint.describe(),
    }


def node_prompt(
    config: dict[str, Any],
    task: dict[str, Any],
    prompt: dict[str, Any],
    node: str,
    steps: list[dict[str, str]],
    retrieved: list[dict[str, Any]],
) -> str:
    """What the teacher is given at a node: protocol, question, material, earlier nodes, found rules, instruction."""
    material = sections.write_documents(prompt["documents"], config["material_characters"])
    rules = sections.write_documents(retrieved, config["retrieval"]["characters"]) if node == "rules" else ""
    return sections.write_sections(
        [
            (sections.STEP, sections.NODES[node]),
            (sections.TASK, prompt["task"]),
            (sections.THEORY, fill(task["theory"])),
            (sections.QUESTION, prompt["question"]),
            (sections.MATERIAL, "\n" + material),
            *((sections.NODES[step["node"]], step["text"]) for step in steps),
            (sections.RULES, "\n" + rules if rules else ""),
            (sections.LIMITS, f"{task['think_characters']} {task['answer_characters']}"),
            (sections.INSTRUCTION, fill(config["nodes"][node], task=prompt["task"])),
        ]
    )


def _retrieve(
    config: dict[str, Any], knowledge: KnowledgeBase, prompt: dict[str, Any], steps: list[dict[str, str]]
) -> list[dict[str, Any]]:
    query = "\n".join([prompt["question"], *(step["text"] for step in steps)])
    return knowledge.find(query, config["retrieval"]["documents"], heldout=prompt["split"] == "heldout")
