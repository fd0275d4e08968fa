"""Questions made from articles of statutes that no stage trained on, in the form of LexEval files.

Three tasks: `statute_law` (which law is this article from), `statute_article` (which of four texts is this
article) and `statute_recitation` (say what the article provides). Everything drawn is a function of the seed
and the articles, not of their order in the file.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from stages._worker.data.task_items import Item
from stages._worker.failures import DataError
from stages.eval.task import Task

LETTERS = "ABCD"
_CHOOSE = "请阅读以下选择题给出正确选项，不要解释原因。请只给出答案的序号。"
_RECITE = "请直接给出下述法条的内容。"


@dataclass(frozen=True, kw_only=True, slots=True)
class Article:
    """One article of a law: `law` by its short name, `number` as it is written (第一百条)."""

    id: str
    law: str
    number: str
    text: str


def articles_of(documents: Iterable[dict]) -> list[Article]:
    """The statute articles among documents of a corpus, in order of id."""
    found = []
    for document in documents:
        meta = document.get("meta") or {}
        if meta.get("law") and meta.get("article"):
            law, number = str(meta["law"]).removeprefix("中华人民共和国"), str(meta["article"])
            text = document["text"].strip().removeprefix(f"《{law}》").strip().removeprefix(number).strip()
            if text:
                found.append(Article(id=str(document["id"]), law=law, number=number, text=text))
    return sorted(found, key=lambda article: article.id)


def make_tasks(articles: list[Article], *, seed: int, items: dict[str, int], longest_text: int) -> list[Task]:
    """The tasks with as many items as `items` asks for by task id; texts are cut to `longest_text` characters."""
    makers = {
        "statute_law": _law_items,
        "statute_article": _article_items,
        "statute_recitation": _recite_items,
    }
    unknown = sorted(set(items) - set(makers))
    if unknown:
        raise DataError(f"no questions of kind {', '.join(unknown)}; there are {', '.join(makers)}")
    tasks = []
    for name, count in items.items():
        made = makers[name](_shuffled(articles, seed, name), seed, longest_text, count) if count else []
        if count and not made:
            raise DataError(
                f"{name}: the {len(articles)} held-out articles give no question (four laws are needed)"
            )
        if made:
            scoring = "rouge_l" if name == "statute_recitation" else "choice"
            tasks.append(Task(id=name, form="lexeval", scoring=scoring, items=tuple(made)))
    return tasks


def _law_items(articles: list[Article], seed: int, longest: int, count: int) -> list[Item]:
    laws = sorted({article.law for article in articles})
    if len(laws) < len(LETTERS):
        return []
    made = []
    for article in articles[:count]:
        others = _ordered([law for law in laws if law != article.law], f"{seed}:law:{article.id}")
        question = f"下列法条出自哪部法律？“{cut(article.text, longest)}”"
        made.append(_choice(len(made), question, article.law, others[: len(LETTERS) - 1], article, seed))
    return made


def _article_items(articles: list[Article], seed: int, longest: int, count: int) -> list[Item]:
    by_law: dict[str, list[Article]] = defaultdict(list)
    for article in articles:
        by_law[article.law].append(article)
    made: list[Item] = []
    for article in articles:
        right = cut(article.text, longest)
        texts = {cut(other.text, longest) for other in by_law[article.law]} - {right}
        if len(texts) < len(LETTERS) - 1:
            continue
        others = _ordered(sorted(texts), f"{seed}:article:{article.id}")[: len(LETTERS) - 1]
        question = f"《{article.law}》{article.number}的内容是:"
        made.append(_choice(len(made), question, right, others, article, seed))
        if len(made) == count:
            break
    return made


def _recite_items(articles: list[Article], seed: int, longest: int, count: int) -> list[Item]:
    return [
        Item(
            id=number,
            instruction=_RECITE,
            question=f"《{article.law}》{article.number}的内容是什么？",
            answer=cut(article.text, longest),
            source=article.id,
        )
        for number, article in enumerate(articles[:count])
    ]


def _choice(number: int, question: str, right: str, wrong: list[str], article: Article, seed: int) -> Item:
    options = _ordered([right, *wrong], f"{seed}:options:{question}:{article.id}")
    listed = "\n".join(f"{letter}: {option}" for letter, option in zip(LETTERS, options, strict=True))
    return Item(
        id=number,
        instruction=_CHOOSE,
        question=f"{question}\n{listed}",
        answer=LETTERS[options.index(right)],
        source=article.id,
    )


def cut(text: str, longest: int) -> str:
    """The text up to `longest` characters, to the end of a clause where one ends in its second half."""
    flat = "".join(text.split())
    if len(flat) <= longest:
        return flat
    head = flat[:longest]
    end = max(head.rfind(mark) for mark in "。；，")
    return head[:end] if end >= longest // 2 else head


def _shuffled(articles: list[Article], seed: int, name: str) -> list[Article]:
    return sorted(articles, key=lambda article: _key(f"{seed}:{name}", article.id))


def _ordered(values: list[str], salt: str) -> list[str]:
    return sorted(values, key=lambda value: _key(salt, value))


def _key(salt: str, value: str) -> bytes:
    return hashlib.sha256(f"{salt}\n{value}".encode()).digest()
