"""Prompts are sections 【heading】text. The teacher's instruction stands last."""

from __future__ import annotations

import re

STEP = "步骤"
STEP_SCORE = "评分"
STEP_QUESTION = "命题"
STEP_INTERNALISE = "知识内化"
STEP_MERGE = "推理收束"
STEP_JUDGE = "质量评审"
STEP_VIEW = "多视角推理"
STEP_REWRITE = "忠实改写"
STEP_FAITHFUL = "忠实评审"

TASK = "任务"
THEORY = "办案思路"
QUESTION = "问题"
MATERIAL = "材料"
RULES = "检索到的法条"
QUERIES = "真实提问"
INSTRUCTION = "要求"
LIMITS = "字数"
REFERENCE = "参考答案"
TRACE = "推理"
THINK = "思考"
VIEW = "视角"
STYLE = "文体"
ANSWER = "回答"

NODES = {
    "facts": "事实认定",
    "issues": "争点归纳",
    "rules": "规则检索",
    "deduction": "规则涵摄",
    "conclusion": "结论推导",
}
"""Nodes of the chain, in order, and the heading their output gets."""

_SECTION = re.compile(r"^【([^】\n]{1,12})】", re.MULTILINE)
_DOCUMENT = re.compile(r"^〔([^〕\n]*)〕", re.MULTILINE)


def write_sections(sections: list[tuple[str, str]]) -> str:
    """The prompt of some sections; empty ones are left out."""
    return "\n".join(f"【{heading}】{_escape(text)}" for heading, text in sections if text.strip())


def read_sections(prompt: str) -> dict[str, str]:
    """Sections of a prompt by heading."""
    parts = _SECTION.split(prompt)
    return {heading: text.strip() for heading, text in zip(parts[1::2], parts[2::2], strict=True)}


def write_documents(documents: list[dict[str, str]], characters: int) -> str:
    """Documents as 〔title〕text, each cut to so many characters."""
    return "\n".join(f"〔{item['title']}〕{item['text'][:characters]}" for item in documents)


def read_documents(text: str) -> list[tuple[str, str]]:
    """(title, text) of the documents in a section."""
    parts = _DOCUMENT.split(text)
    return [(title, body.strip()) for title, body in zip(parts[1::2], parts[2::2], strict=True)]


def _escape(text: str) -> str:
    # A text that begins a line with 【 must not open a section of ours.
    return re.sub(r"(?<=\n)【", " 【", text.strip()) if "\n【" in text else text.strip()
