"""Which documents still hold: statutes in force on a day, and texts not older than the recipe allows."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from typing import Any

_DATE = re.compile(r"(\d{4})(?:[-/.年](\d{1,2}))?(?:[-/.月](\d{1,2}))?")


@dataclass(kw_only=True, slots=True, frozen=True)
class Invalid:
    """Why a document does not hold, and what was seen."""

    reason: str
    detail: str


def check_validity(rules: dict[str, Any], row: dict[str, Any], as_of: date) -> Invalid | None:
    """The first rule of a source that a row breaks, or None.

    `status`: {column, in_force: [...]}; `effective`: column of the day a statute takes force, which must not lie
    after `as_of`; `published`: {column, newest_years}. A missing or unreadable date breaks a rule on that date.
    """
    status = rules.get("status")
    if status is not None and row.get(status["column"]) not in status["in_force"]:
        return Invalid(reason="not_in_force", detail=str(row.get(status["column"])))
    effective = rules.get("effective")
    if effective is not None:
        day = parse_date(row.get(effective))
        if day is None:
            return Invalid(reason="undated", detail=f"{effective}={row.get(effective)!r}")
        if day > as_of:
            return Invalid(reason="not_yet_in_force", detail=f"from {day.isoformat()}")
    return _check_age(rules.get("published"), row, as_of)


def _check_age(rule: dict[str, Any] | None, row: dict[str, Any], as_of: date) -> Invalid | None:
    if rule is None:
        return None
    day = parse_date(row.get(rule["column"]))
    if day is None:
        return Invalid(reason="undated", detail=f"{rule['column']}={row.get(rule['column'])!r}")
    # 29 February has no day of the same name in most years.
    oldest = as_of.replace(year=as_of.year - rule["newest_years"], day=min(as_of.day, 28))
    if day < oldest:
        return Invalid(reason="too_old", detail=day.isoformat())
    return None


def parse_date(value: Any) -> date | None:
    """A day from `2023-09-01`, `2023/9`, `2023年9月1日` or a year alone (its first day); None for anything else."""
    if isinstance(value, date):
        return value
    match = _DATE.match(str(value or "").strip())
    if match is None:
        return None
    year, month, day = (int(part or 1) for part in match.groups())
    try:
        return date(year, month, day)
    except ValueError:
        return None
