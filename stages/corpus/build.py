"""From declared sources to the folder of a corpus, in one pass."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

from stages._worker import jsonl
from stages._worker.failures import DataError
from stages._worker.locate import locate
from stages.corpus.prepare import Candidate, NotSelected, Preparation, Prepared, Refused, Work
from stages.corpus.processes import prepared_by
from stages.corpus.reading.batches import read_batches
from stages.corpus.reading.rows import BrokenRow
from stages.corpus.rules.contamination import evaluation_questions
from stages.corpus.seen.bands import choose_bands
from stages.corpus.seen.duplicates import Duplicates
from stages.corpus.tally import Tally
from stages.corpus.writing import DocumentFiles

Progress = Callable[[int], None]


class CorpusBuilder:
    """Builds one corpus. The same config, files and seed give the same bytes, in however many processes.

    Documents go by in batches, and what is remembered of them lies in files of `scratch`: memory does not grow with the
    corpus.
    """

    def __init__(
        self,
        config: dict[str, Any],
        *,
        seed: int,
        folder: Path,
        scratch: Path,
        max_bad_share: float | None,
        processes: int,
    ) -> None:
        self._config = config
        self._seed = seed
        self._folder = folder
        self._scratch = scratch
        self._max_bad_share = config["max_bad_share"] if max_bad_share is None else max_bad_share
        self._processes = processes
        self._hits: Counter[str] = Counter()

    def build(self, progress: Progress, waiting: Callable[[], None] = lambda: None) -> dict[str, Any]:
        """Reads every source and writes documents, report and licences; returns the report.

        `progress` hears of every batch that is done; `waiting` is called while nothing is, and may raise.
        Raises DataError for a missing file, too many broken rows, or a group that ends up empty.
        """
        config = self._config
        checks = config["decontamination"]
        known = {name: config["duplicates"][name] for name in ("threshold", "permutations")}
        work = Work(
            config=config,
            seed=self._seed,
            questions=evaluation_questions(checks["evaluations"], checks["ngram"]),
            bands=choose_bands(**known),
            files=[locate(source["name"], source["path"]) for source in config["sources"]],
        )
        preparation = Preparation(work)
        tallies = [self._tally(source) for source in config["sources"]]
        with ExitStack() as stack:
            duplicates = stack.enter_context(closing(Duplicates(**known, folder=self._scratch)))
            written = stack.enter_context(DocumentFiles(self._folder / "documents"))
            at = 0
            if self._processes == 1:
                batches = map(preparation.of, read_batches(config["sources"], work.files))
            else:
                batches = stack.enter_context(prepared_by(self._processes, work, waiting))
            for batch in batches:
                at = batch.place[0]
                self._settle(batch, tallies[at], duplicates, written)
                if batch.last:
                    tallies[at].check()
                progress(at)
        report = {
            "version": 1,
            "corpus": config["name"],
            "as_of": config["as_of"],
            "seed": self._seed,
            "splits": written.counts(),
            "decontamination": preparation.contamination.report(self._hits),
            "sources": [tally.report() for tally in tallies],
        }
        self._check_groups(report)
        self._write(report, tallies)
        return report

    def _tally(self, source: dict[str, Any]) -> Tally:
        return Tally(
            source,
            shown=self._config["samples"],
            kept=self._config["dropped_samples"],
            max_bad_share=self._max_bad_share,
            seed=self._seed,
        )

    def _settle(self, batch: Prepared, tally: Tally, duplicates: Duplicates, written: DocumentFiles) -> None:
        """Looks the candidates up among all that stay, writes those that are new, and counts every row."""
        names = [row.document.id for row in batch.rows if isinstance(row, Candidate)]
        verdicts = iter(duplicates.find_all(names, batch.fingerprints))
        for row in batch.rows:
            match row:
                case BrokenRow():
                    tally.set_aside(row)
                case NotSelected():
                    tally.skip()
                case Refused():
                    tally.drop(row.reason, row.document, row.detail)
                    if row.question is not None:
                        self._hits[row.question] += 1
                case Candidate():
                    verdict = next(verdicts)
                    if verdict is not None:
                        tally.drop(verdict[0], row.document, f"of {verdict[1]}")
                        continue
                    tally.keep(row.split, row.document)
                    written.write(row.split, row.document)

    def _write(self, report: dict[str, Any], tallies: list[Tally]) -> None:
        jsonl.write_json(self._folder / "report.json", report)
        licenses = [_license(source) for source in self._config["sources"]]
        jsonl.write_json(self._folder / "licenses.json", licenses)
        for tally in tallies:
            for folder, rows in (
                ("broken", tally.broken_for_reading()),
                ("dropped", tally.dropped_for_reading()),
            ):
                if rows:
                    jsonl.write(self._folder / folder / f"{tally.source['name']}.jsonl", rows)

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
