"""Prompts exactly as LegalKit builds them for LexEval and JEC-QA files."""

from collections.abc import Callable

from stages._worker.data.task_items import Item
from stages.eval.task import Task

_LABELS = {"5_1": "摘要:", "5_2": "裁判分析过程:", "5_3": "翻译结果:"}
_SHOTS = (3, 1, 0)  # numbers of examples that are tried, most first


def build_prompt(
    task: Task,
    item: Item,
    *,
    shots: bool,
    longest: int,
    encode: Callable[[str], list[int]],
    decode: Callable[[list[int]], str],
) -> str:
    """The user message for one item.

    A LexEval prompt has to fit `longest` tokens less a reserve for the answer (512 for 5_1 to 5_3, else 20):
    examples are left out first (3, 1, 0), then the head of the instruction; the question is never cut.
    """
    if task.form == "message":
        return item.question
    if task.form == "jecqa":
        return f"{item.instruction}\n{item.question}"
    label = _LABELS.get(task.id, "答案:")
    room = max(0, longest - (512 if task.id in _LABELS else 20))
    question = f"请你回答:\n问题: {item.question}\n{label}"
    for count in _SHOTS if shots else (0,):
        prompt = f"{item.instruction}\n{_examples(task, label, count)}{question}"
        if len(encode(prompt)) <= room:
            return prompt
    left = max(0, room - len(encode(question)) - 1)
    tokens = encode(item.instruction)
    # All of it is kept for left = 0: that is how LegalKit's slice [-0:] comes out.
    instruction = item.instruction if len(tokens) <= left else decode(tokens[-left:])
    return f"{instruction}\n{question}"


def _examples(task: Task, label: str, count: int) -> str:
    shown = task.examples[:count]
    if not shown:
        return ""
    bodies = "".join(f"问题: {example.question}\n{label} {example.answer}\n\n" for example in shown)
    return f"以下是{len(shown)}个例子:\n{bodies}"
