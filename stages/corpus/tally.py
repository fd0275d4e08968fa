"""What happened to the rows of every source: counts by reason, a few samples, broken rows set aside."""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from typing import Any

from stages._worker.chance import draw
from stages._worker.failures import DataError
from stages.corpus.document import Document
from stages.corpus.reading.rows import BrokenRow

# Below this many rows a share says little: one broken line of three is no reason to refuse a file.
_FEWEST_ROWS = 20
_LONGEST_SAMPLE = 2000


class Tally:
    """Counts of one source.

    Of every reason the `kept` dropped documents with the lowest draws stay for reading, the first `shown` of them in the
    report: a fair sample that depends on the seed and the documents only.
    """

    def __init__(
        self, source: dict[str, Any], *, shown: int, kept: int, max_bad_share: float, seed: int
    ) -> None:
        self.source = source
        self.rows = 0
        self.broken: list[BrokenRow] = []
        self.broken_rows = 0
        self._kept: dict[str, Counter[str]] = defaultdict(Counter)
        self._dropped: Counter[str] = Counter()
        self._samples: dict[str, list[tuple[float, int, dict[str, Any]]]] = defaultdict(list)
        self._shown = shown
        self._sample_count = max(shown, kept)
        self._kept_samples = kept
        self._max_bad_share = max_bad_share
        self._seed = seed

    def keep(self, split: str, document: Document) -> None:
        """Counts a document that stays."""
        self.rows += 1
        self._kept[split]["documents"] += 1
        self._kept[split]["characters"] += len(document.text)

    def drop(self, reason: str, document: Document, detail: str) -> None:
        """Counts a document that goes, and keeps it for reading when the draw is for it."""
        self.rows += 1
        self._dropped[reason] += 1
        held = self._samples[reason]
        lot = -draw(self._seed, self.source["name"], reason, document.id)
        if len(held) == self._sample_count and (not held or lot <= held[0][0]):
            return
        sample = {
            "reason": reason,
            "detail": detail,
            "id": document.id,
            "title": document.title,
            "characters": len(document.text),
            "text": document.text[:_LONGEST_SAMPLE],
        }
        # Of two with one lot (repeated ids) the first stays. The heap has the highest draw in front.
        (heapq.heappushpop if len(held) == self._sample_count else heapq.heappush)(
            held, (lot, -self._dropped[reason], sample)
        )

    def skip(self) -> None:
        """Counts a row that the source's own selection (`where`, `sample`) leaves out."""
        self.rows += 1
        self._dropped["not_selected"] += 1

    def set_aside(self, row: BrokenRow) -> None:
        """Counts a row that could not be read."""
        self.rows += 1
        self.broken_rows += 1
        if len(self.broken) < 1000:
            self.broken.append(row)

    def check(self) -> None:
        """Raises DataError, naming file and line, when too many rows were broken."""
        bad, limit = self.broken_rows, self._max_bad_share
        if bad == 0 or bad <= max(limit * self.rows, 1 if self.rows < _FEWEST_ROWS else 0):
            return
        first = self.broken[0]
        raise DataError(
            f"source {self.source['name']}: {bad} of {self.rows} rows cannot be read, more than "
            f"max_bad_share {limit}; the first is {first.file}:{first.line}: {first.reason}: {first.excerpt!r}",
            hint=encoding_hint(first) or "mend the file, or raise max_bad_share if the loss is meant",
        )

    def broken_for_reading(self) -> list[dict[str, Any]]:
        """Rows that could not be read, up to 1,000, with their place and reason."""
        return [
            {"file": row.file, "line": row.line, "reason": row.reason, "seen": row.excerpt}
            for row in self.broken
        ]

    def dropped_for_reading(self) -> list[dict[str, Any]]:
        """The dropped documents that were kept for reading, by reason, each with what was seen."""
        return [
            sample for reason in sorted(self._samples) for sample in self._drawn(reason)[: self._kept_samples]
        ]

    def _drawn(self, reason: str) -> list[dict[str, Any]]:
        return [
            sample for _, _, sample in sorted(self._samples[reason], key=lambda held: held[:2], reverse=True)
        ]

    def _shown_samples(self, reason: str) -> list[dict[str, Any]]:
        return [
            {"id": each["id"], "title": each["title"], "excerpt": each["text"][:80], "detail": each["detail"]}
            for each in self._drawn(reason)[: self._shown]
        ]

    def report(self) -> dict[str, Any]:
        """The counts as a JSON object."""
        first = self.broken[0] if self.broken else None
        return {
            "name": self.source["name"],
            "group": self.source["group"],
            "license": self.source["license"],
            "rows": self.rows,
            "kept": {split: dict(self._kept[split]) for split in sorted(self._kept)},
            "dropped": dict(sorted(self._dropped.items())),
            "broken": {
                "rows": self.broken_rows,
                "first": None
                if first is None
                else {"file": first.file, "line": first.line, "reason": first.reason},
            },
            "samples": {reason: self._shown_samples(reason) for reason in sorted(self._samples)},
        }


def encoding_hint(row: BrokenRow) -> str | None:
    """What to try where the bytes of a row are no UTF-8."""
    if not row.reason.startswith("not utf"):
        return None
    return "the file may be GB18030: say `encoding: gb18030` in its source"
