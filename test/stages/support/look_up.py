"""Documents looked up for duplicates by name and text, as the corpus stage does with those it prepared."""

from __future__ import annotations

from pathlib import Path

from stages.corpus.seen.bands import choose_bands
from stages.corpus.seen.duplicates import Duplicates, Verdict
from stages.corpus.seen.fingerprints import Fingerprinter
from stages.corpus.words import words_of


class LookUp:
    """Fingerprints and what remembers them, by one set of rules."""

    def __init__(self, folder: Path, *, threshold: float = 0.8, permutations: int = 64) -> None:
        bands = choose_bands(threshold, permutations)
        self._fingerprinter = Fingerprinter(ngram=5, permutations=permutations, bands=bands, seed=1)
        self._duplicates = Duplicates(threshold=threshold, permutations=permutations, folder=folder)

    def find_all(self, documents: list[tuple[str, str]]) -> list[Verdict | None]:
        """The verdict on each (name, text), in order."""
        names = [name for name, _ in documents]
        words = [words_of(text) for _, text in documents]
        return self._duplicates.find_all(names, self._fingerprinter.of(names, words))

    def find(self, name: str, text: str) -> Verdict | None:
        """The verdict on one."""
        return self.find_all([(name, text)])[0]

    def close(self) -> None:
        """Lets go of the files."""
        self._duplicates.close()
