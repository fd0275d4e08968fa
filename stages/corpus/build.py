"""From declared sources to the folder of a corpus, in one pass."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from datetime import date
from pathlib import Path
from typing import Any, TextIO

from stages._worker import jsonl
from stages._worker.chance import draw
from stages._worker.failures import DataError
from stages._worker.locate import locate
from stages.corpus.document import Document, to_document
from stages.corpus.reading.readers import read_source
from stages.corpus.reading.rows import BrokenRow, Row
from stages.corpus.rules.cleaning import CleaningRules, clean
from stages.corpus.rules.contamination import Contamination, evaluation_questions
from stages.corpus.rules.splits import SPLITS, choose_split
from stages.corpus.rules.validity import check_validity
from stages.corpus.seen.duplicates import Duplicates
from stages.corpus.tally import Tally

Progress = Callable[[int], None]

# Documents whose duplicates are looked up together, and their characters at most.
_BATCH = 512
_BATCH_CHARACTERS = 4_000_000


class CorpusBuilder:
    """Builds one corpus. The same config, files and seed give the same bytes.

    Documents go by in batches, and what is remembered of them lies in files of `scratch`: memory does not grow with the
    corpus.
    """

    def __init__(
        self, config: dict[str, Any], *, seed: int, folder: Path, scratch: Path, max_bad_share: float | None
    ) -> None:
        self._config = config
        self._seed = seed
        self._folder = folder
        self._as_of = date.fromisoformat(config["as_of"])
        self._max_bad_share = config["max_bad_share"] if max_bad_share is None else max_bad_share
        self._duplicates = Duplicates(**config["duplicates"], seed=1, folder=scratch)
        checks = {key: value for key, value in config["decontamination"].items() if key != "evaluations"}
        questions = evaluation_questions(config["decontamination"]["evaluations"], checks["ngram"])
        self._contamination = Contamination(questions, **checks)
        self._counts: dict[tuple[str, str], Counter[str]] = {}
        self._rules = {
            source["name"]: CleaningRules(**{**config["cleaning"], **source["cleaning"]})
            for source in config["sources"]
        }
        self._waiting: list[tuple[Row, Document]] = []
        self._waiting_characters = 0
        self._files: dict[tuple[str, str], TextIO] = {}
        self._stack = ExitStack()

    def build(self, progress: Progress) -> dict[str, Any]:
        """Reads every source and writes documents, report and licences; returns the report.

        Raises DataError for a missing file, too many broken rows, or a group that ends up empty.
        """
        sources = self._config["sources"]
        files = {source["name"]: locate(source["name"], source["path"]) for source in sources}
        tallies: list[Tally] = []
        with self._stack:
            self._stack.callback(self._duplicates.close)
            for index, source in enumerate(sources):
                tally = Tally(
                    source,
                    shown=self._config["samples"],
                    kept=self._config["dropped_samples"],
                    max_bad_share=self._max_bad_share,
                    seed=self._seed,
                )
                for row in read_source(source, files[source["name"]]):
                    self._take(source, row, tally)
                    progress(index)
                self._settle(source, tally)
                tally.check()
                tallies.append(tally)
        report = self._report(tallies)
        self._check_groups(report)
        jsonl.write_json(self._folder / "report.json", report)
        jsonl.write_json(self._folder / "licenses.json", [_license(source) for source in sources])
        for tally in tallies:
            for folder, rows in (
                ("broken", tally.broken_for_reading()),
                ("dropped", tally.dropped_for_reading()),
            ):
                if rows:
                    jsonl.write(self._folder / folder / f"{tally.source['name']}.jsonl", rows)
        return report

    def _take(self, source: dict[str, Any], row: Row | BrokenRow, tally: Tally) -> None:
        document = row if isinstance(row, BrokenRow) else to_document(source, row)
        if isinstance(document, BrokenRow):
            tally.set_aside(document)
            return
        assert isinstance(row, Row)
        if not self._is_selected(source, row, document):
            tally.skip()
            return
        refusal = self._refusal(source, row, document)
        if refusal is not None:
            tally.drop(refusal[0], document, refusal[1])
            return
        self._waiting.append((row, document))
        self._waiting_characters += len(document.text)
        if len(self._waiting) >= _BATCH or self._waiting_characters >= _BATCH_CHARACTERS:
            self._settle(source, tally)

    def _settle(self, source: dict[str, Any], tally: Tally) -> None:
        """Looks the waiting documents up among all that stay, and writes those that are new."""
        waiting, self._waiting, self._waiting_characters = self._waiting, [], 0
        if not waiting:
            return
        verdicts = self._duplicates.find_all([(document.id, document.text) for _, document in waiting])
        rules = source["split"]
        for (row, document), verdict in zip(waiting, verdicts, strict=True):
            if verdict is not None:
                tally.drop(verdict[0], document, f"of {verdict[1]}")
                continue
            unit = str(row.values.get(rules["unit"])) if "unit" in rules else document.id
            split = choose_split(rules, unit, row.values, source["name"], self._seed)
            tally.keep(split, document)
            self._write(split, document)

    def _is_selected(self, source: dict[str, Any], row: Row, document: Document) -> bool:
        for column, values in source["where"].items():
            if row.values.get(column) not in values:
                return False
        return (
            source["sample"] >= 1
            or draw(self._seed, source["name"], "sample", document.id) < source["sample"]
        )

    def _refusal(self, source: dict[str, Any], row: Row, document: Document) -> tuple[str, str] | None:
        invalid = check_validity(source["validity"], row.values, self._as_of)
        if invalid is not None:
            return invalid.reason, invalid.detail
        cleaned = clean(document.text, self._rules[source["name"]])
        document.text = cleaned.text
        if cleaned.reason is not None:
            return cleaned.reason, cleaned.detail
        found = self._contamination.find(document.text)
        if found is not None:
            return "contaminated", f"{found[1]:.2f} of {found[0]}"
        return None

    def _write(self, split: str, document: Document) -> None:
        key = (split, document.group)
        if key not in self._files:
            path = self._folder / "documents" / split / f"{document.group}.jsonl"
            path.parent.mkdir(parents=True, exist_ok=True)
            self._files[key] = self._stack.enter_context(path.open("w", encoding="utf-8"))
            self._counts[key] = Counter()
        self._files[key].write(json.dumps(document.as_row(), ensure_ascii=False) + "\n")
        self._counts[key].update(documents=1, characters=len(document.text))

    def _report(self, tallies: list[Tally]) -> dict[str, Any]:
        splits = {
            split: {
                group: dict(count) for (where, group), count in sorted(self._counts.items()) if where == split
            }
            for split in SPLITS
        }
        return {
            "version": 1,
            "corpus": self._config["name"],
            "as_of": self._config["as_of"],
            "seed": self._seed,
            "splits": splits,
            "decontamination": self._contamination.report(),
            "sources": [tally.report() for tally in tallies],
        }

    def _check_groups(self, report: dict[str, Any]) -> None:
        for group in {source["group"] for source in self._config["sources"]}:
            for split in self._config["required_splits"]:
                if group in report["splits"][split]:
                    continue
                seen = [
                    f"{each['name']}: {each['rows']} rows, dropped {each['dropped'] or 'none'}"
                    for each in report["sources"]
                    if each["group"] == group
                ]
                raise DataError(
                    f"group {group} has no documents in split {split} ({'; '.join(seen)})",
                    hint="look at the filters and split rules of its sources in configs/corpora",
                )


def _license(source: dict[str, Any]) -> dict[str, Any]:
    entry = {"source": source["name"], "group": source["group"], "license": source["license"]}
    if "license_file" in source:
        (file,) = locate(source["name"], source["license_file"])
        entry["text"] = file.path.read_text(encoding="utf-8")
    return entry
