"""Documents of the corpus, and how a row becomes one."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field, fields
from string import Formatter
from typing import Any

from stages.corpus.reading.rows import BrokenRow, Row
from stages.corpus.rules.cleaning import tidy


@dataclass(kw_only=True, slots=True)
class Document:
    """One document, as it is written to documents/<split>/<group>.jsonl."""

    id: str
    group: str
    title: str
    text: str
    source: str
    license: str
    date: str | None
    status: str | None
    meta: dict[str, Any] = field(default_factory=dict)

    def as_row(self) -> dict[str, Any]:
        """The document as a JSON object."""
        # Not asdict: that copies every value.
        return {each.name: getattr(self, each.name) for each in fields(self)}


def to_document(source: dict[str, Any], row: Row) -> Document | BrokenRow:
    """The document of a row by the field mapping of its source; a missing field makes a broken row."""
    fields = source["fields"]
    try:
        text = _value(fields["text"], row.values)
        if not isinstance(text, str):
            return _broken(row, f"field {fields['text']}: expected text, saw {type(text).__name__}")
        name = (
            _value(fields["id"], row.values)
            if "id" in fields
            else hashlib.sha1(text.encode()).hexdigest()[:16]
        )
        return Document(
            id=f"{source['name']}/{name}",
            group=source["group"],
            title=str(_value(fields["title"], row.values) or "")[:120] if "title" in fields else "",
            text=text,
            source=source["name"],
            license=source["license"],
            date=_optional(fields.get("date"), row.values),
            status=_optional(fields.get("status"), row.values),
            meta={key: _meta(column, row.values) for key, column in fields.get("meta", {}).items()},
        )
    except KeyError as error:
        return _broken(
            row, f"no field {error.args[0]}; it has {', '.join(sorted(map(str, row.values)))[:200]}"
        )


def columns_of(rule: str) -> list[str]:
    """The columns that a rule of `fields` reads, in order; ValueError for a template that is none."""
    if "{" not in rule:
        return [rule]
    names = [name for _, name, _, _ in Formatter().parse(rule) if name is not None]
    return [re.split(r"[.\[]", name)[0] for name in names]


def _value(rule: str, values: dict[str, Any]) -> Any:
    """A rule is the name of a column, or a template such as `{law}{article}`; lists are joined with 、."""
    if "{" not in rule:
        return values[rule]
    plain = {
        key: "、".join(map(str, item)) if isinstance(item, list) else item for key, item in values.items()
    }
    return rule.format_map(plain)


def _meta(rule: str, values: dict[str, Any]) -> Any:
    value = _value(rule, values)
    return tidy(value) if isinstance(value, str) else value


def _optional(rule: str | None, values: dict[str, Any]) -> str | None:
    value = None if rule is None else _value(rule, values)
    return None if value is None else str(value)


def _broken(row: Row, reason: str) -> BrokenRow:
    return BrokenRow(file=row.file, line=row.line, reason=reason, excerpt=str(row.values)[:120])
