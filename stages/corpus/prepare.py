"""What becomes of a row by itself: a document that may stay, with what duplicates of it are told by, or why not."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

from stages._worker.chance import draw
from stages._worker.locate import SourceFile
from stages.corpus.document import Document, to_document
from stages.corpus.reading.batches import Batch, Place, place_after
from stages.corpus.reading.rows import BrokenRow, Row
from stages.corpus.rules.cleaning import CleaningRules, clean
from stages.corpus.rules.contamination import Contamination, Question
from stages.corpus.rules.splits import choose_split
from stages.corpus.rules.validity import check_validity
from stages.corpus.seen.fingerprints import Fingerprinter, Fingerprints
from stages.corpus.words import words_of


@dataclass(kw_only=True, slots=True, frozen=True)
class Work:
    """All that the preparation of a corpus depends on."""

    config: dict[str, Any]
    """A complete corpus config."""
    seed: int
    files: list[list[SourceFile]]
    """Of every source, in the order of the config."""
    questions: list[Question]
    """What no document may hold."""
    bands: tuple[int, int]
    """Of a signature: how many, and rows of one."""


@dataclass(kw_only=True, slots=True, frozen=True)
class NotSelected:
    """A row that `where` or `sample` of its source leaves out."""


@dataclass(kw_only=True, slots=True, frozen=True)
class Refused:
    """A document that breaks a rule."""

    document: Document
    reason: str
    detail: str
    question: str | None = None
    """Name of the question it holds."""


@dataclass(kw_only=True, slots=True, frozen=True)
class Candidate:
    """A document that stays unless it was seen before."""

    document: Document
    split: str


@dataclass(kw_only=True, slots=True, frozen=True)
class Prepared:
    """A batch of rows, prepared."""

    place: Place
    last: bool
    rows: list[BrokenRow | NotSelected | Refused | Candidate]
    """One of each row, in order."""
    fingerprints: Fingerprints
    """Of the candidates, in order."""

    @property
    def next_place(self) -> Place:
        """Where the batch after it begins."""
        return place_after(self.place, len(self.rows), last=self.last)


class Preparation:
    """Prepares batches. What comes out depends on the work and the batch alone."""

    def __init__(self, work: Work) -> None:
        config = work.config
        checks = {key: value for key, value in config["decontamination"].items() if key != "evaluations"}
        self.contamination = Contamination(work.questions, **checks)
        self._sources = config["sources"]
        self._seed = work.seed
        self._as_of = date.fromisoformat(config["as_of"])
        self._cleaning = [
            CleaningRules(**{**config["cleaning"], **source["cleaning"]}) for source in self._sources
        ]
        rules = config["duplicates"]
        self._fingerprinter = Fingerprinter(
            ngram=rules["ngram"], permutations=rules["permutations"], bands=work.bands, seed=1
        )

    def of(self, batch: Batch) -> Prepared:
        """The batch, prepared."""
        rows: list[BrokenRow | NotSelected | Refused | Candidate] = []
        names: list[str] = []
        words: list[str] = []
        for row in batch.rows:
            outcome, its_words = self._row(batch.place[0], row)
            rows.append(outcome)
            if isinstance(outcome, Candidate):
                names.append(outcome.document.id)
                words.append(its_words)
        fingerprints = self._fingerprinter.of(names, words)
        return Prepared(place=batch.place, last=batch.last, rows=rows, fingerprints=fingerprints)

    def _row(
        self, index: int, row: Row | BrokenRow
    ) -> tuple[BrokenRow | NotSelected | Refused | Candidate, str]:
        """What became of the row, and the words of a candidate."""
        source = self._sources[index]
        document = row if isinstance(row, BrokenRow) else to_document(source, row)
        if isinstance(document, BrokenRow):
            return document, ""
        assert isinstance(row, Row)
        if not self._is_selected(source, row, document):
            return NotSelected(), ""
        invalid = check_validity(source["validity"], row.values, self._as_of)
        if invalid is not None:
            return Refused(document=document, reason=invalid.reason, detail=invalid.detail), ""
        cleaned = clean(document.text, self._cleaning[index])
        document.text = cleaned.text
        if cleaned.reason is not None:
            return Refused(document=document, reason=cleaned.reason, detail=cleaned.detail), ""
        words = words_of(document.text)
        found = self.contamination.find(words)
        if found is not None:
            question, share = found
            detail = f"{share:.2f} of {question}"
            return Refused(document=document, reason="contaminated", detail=detail, question=question), ""
        rules = source["split"]
        unit = str(row.values.get(rules["unit"])) if "unit" in rules else document.id
        split = choose_split(rules, unit, row.values, source["name"], self._seed)
        return Candidate(document=document, split=split), words

    def _is_selected(self, source: dict[str, Any], row: Row, document: Document) -> bool:
        for column, values in source["where"].items():
            if row.values.get(column) not in values:
                return False
        return (
            source["sample"] >= 1
            or draw(self._seed, source["name"], "sample", document.id) < source["sample"]
        )
