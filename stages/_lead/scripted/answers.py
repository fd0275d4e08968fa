"""What the scripted teacher says to a prompt: one rule a step, from the sections of the prompt alone."""

from __future__ import annotations

import json
from collections.abc import Callable

from stages._lead import sections
from stages._lead.clauses import clauses, cut_at_punctuation
from stages._lead.scripted.choices import choose, options_of
from stages._lead.scripted.marks import faithful_marks, marks
from stages._lead.scripted.retold import retell

Sections = dict[str, str]


def answer(prompt: str) -> str:
    """The reply to a prompt of ours; ValueError for one that names no step."""
    parts = sections.read_sections(prompt)
    step = parts.get(sections.STEP, "")
    if step not in _STEPS:
        raise ValueError(f"no rule for the step {step!r}")
    return _STEPS[step](parts) or "无从作答。"


def _facts(parts: Sections) -> str:
    documents = sections.read_documents(parts.get(sections.MATERIAL, ""))
    asked = parts.get(sections.QUESTION, "")
    if options_of(asked):
        return f"行为：{_act(asked)}。"
    return f"材料：{documents[0][0]}。" if documents else f"问题：{asked[:40]}。"


def _issues(parts: Sections) -> str:
    return "该行为构成何罪。" if options_of(parts.get(sections.QUESTION, "")) else "该条如何规定。"


def _rules(parts: Sections) -> str:
    """The retrieved rule that the question names, else the first one."""
    found = sections.read_documents(parts.get(sections.RULES, ""))
    if not found:
        return "材料中没有可用的法条。"
    asked = parts.get(sections.QUESTION, "")
    title, text = next((item for item in found if item[0] in asked), found[0])
    return f"{title}：{text}"


def _deduction(parts: Sections) -> str:
    asked = parts.get(sections.QUESTION, "")
    if options_of(asked):
        letter, name = choose(asked, parts.get(sections.MATERIAL, ""))
        return f"{_act(asked)}，符合{name}的构成，对应{letter}。"
    return f"依{parts.get(sections.NODES['rules'], '').partition('：')[0]}作答。"


def _conclusion(parts: Sections) -> str:
    asked = parts.get(sections.QUESTION, "")
    if options_of(asked):
        return choose(asked, parts.get(sections.MATERIAL, ""))[0]
    text = parts.get(sections.NODES["rules"], "").partition("：")[2]
    return cut_at_punctuation(text, _limits(parts)["answer"], 10) or text[: _limits(parts)["answer"]]


def _internalise(parts: Sections) -> str:
    """The trace in its own words: nothing that points at open books."""
    trace = parts.get(sections.TRACE, "")
    for words in ("根据检索到的法条，", "材料：", "检索到的", "根据材料，"):
        trace = trace.replace(words, "")
    return trace


def _merge(parts: Sections) -> str:
    asked = parts.get(sections.QUESTION, "")
    limits = _limits(parts)
    ended = parts.get(sections.ANSWER, "")
    if options_of(asked):
        name = dict(options_of(asked)).get(ended, "")
        think = f"该行为属{name}。"
    else:
        law, _, article = _title(asked).rpartition("》")
        think = f"问{law.strip('《')}{article}。"
    return json.dumps({"think": think[: limits["think"]], "answer": ended}, ensure_ascii=False)


def _question(parts: Sections) -> str:
    documents = sections.read_documents(parts.get(sections.MATERIAL, ""))
    title = documents[0][0] if documents else parts.get(sections.TASK, "")
    return json.dumps({"question": f"请就“{title}”说明处理意见。"}, ensure_ascii=False)


def _score(parts: Sections) -> str:
    """More than 80 characters with several clauses count as complete enough."""
    text = "".join(body for _, body in sections.read_documents(parts.get(sections.MATERIAL, "")))
    completeness = min(5, 1 + len(text) // 40)
    complexity = min(5, 1 + len(clauses(text)) // 2)
    return json.dumps({"completeness": completeness, "complexity": complexity})


def _judge(parts: Sections) -> str:
    return json.dumps(
        marks(
            question=parts.get(sections.QUESTION, ""),
            think=parts.get(sections.THINK, ""),
            answer=parts.get(sections.ANSWER, ""),
            reference=parts.get(sections.REFERENCE, ""),
            limits=_limits(parts),
        )
    )


def _view(parts: Sections) -> str:
    return retell(
        sections.read_documents(parts.get(sections.MATERIAL, "")),
        opening=f"从{parts.get(sections.VIEW, '旁观者')}的角度看",
        longest=_limits(parts)["answer"],
    )


def _rewrite(parts: Sections) -> str:
    return retell(
        sections.read_documents(parts.get(sections.MATERIAL, "")),
        opening=f"以{parts.get(sections.STYLE, '通俗')}的写法说",
        longest=_limits(parts)["answer"],
    )


def _faithful(parts: Sections) -> str:
    documents = sections.read_documents(parts.get(sections.MATERIAL, ""))
    material = "".join(title + body for title, body in documents)
    return json.dumps(faithful_marks(parts.get(sections.ANSWER, ""), material))


def _act(question: str) -> str:
    """The act quoted in a question."""
    return question.partition("“")[2].partition("”")[0] or clauses(question)[0]


def _title(question: str) -> str:
    start, end = question.find("《"), question.find("条")
    return question[start : end + 1] if 0 <= start < end else question[:12]


def _limits(parts: Sections) -> dict[str, int]:
    numbers = [int(word) for word in parts.get(sections.LIMITS, "").split() if word.isdigit()]
    think, reply = numbers if len(numbers) == 2 else (400, 800)
    return {"think": think, "answer": reply}


_STEPS: dict[str, Callable[[Sections], str]] = {
    sections.NODES["facts"]: _facts,
    sections.NODES["issues"]: _issues,
    sections.NODES["rules"]: _rules,
    sections.NODES["deduction"]: _deduction,
    sections.NODES["conclusion"]: _conclusion,
    sections.STEP_INTERNALISE: _internalise,
    sections.STEP_MERGE: _merge,
    sections.STEP_QUESTION: _question,
    sections.STEP_SCORE: _score,
    sections.STEP_JUDGE: _judge,
    sections.STEP_VIEW: _view,
    sections.STEP_REWRITE: _rewrite,
    sections.STEP_FAITHFUL: _faithful,
}
