"""What a mid-training starts from: packed data, the order over it, and the schedule it was planned with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from stages._worker.data.packed import PackedData
from stages._worker.data.tokenizer import Tokenizer
from stages._worker.failures import DataError
from stages._worker.job import Job
from stages._worker.training.schedule import Schedule
from stages.midtrain.order import Order


@dataclass(kw_only=True, slots=True, frozen=True)
class Planned:
    """Checked against each other."""

    folders: list[Path]
    """Of the packed data, shards in order."""
    packed: PackedData
    order: Order
    schedule: Schedule

    def check_vocabulary(self, entries: int) -> None:
        """DataError when the data was tokenised for a model with another number of entries."""
        seen = self.packed.facts["vocabSize"]
        if seen != entries:
            raise DataError(
                f"the data was tokenised for {seen} entries, the model has {entries}: "
                "run perplexity with this base model"
            )

    def check_tokenizer(self, tokenizer: Tokenizer) -> None:
        """DataError when the documents end with another mark than the model's tokenizer ends them with."""
        seen = self.packed.facts["endOfDocument"]
        if seen != tokenizer.end_of_text:
            raise DataError(
                f"documents of the data end with token {seen}, the tokenizer of the model ends them with "
                f"{tokenizer.end_of_text}: the data was made with another tokenizer",
                hint="run perplexity with this base model",
            )


def read_planned(job: Job) -> Planned:
    """Reads the inputs of a job and its order; DataError says what does not fit."""
    folders = job.input_folders("packed")
    packed = PackedData(*folders)
    order = Order(job.folder / "order", packed)
    schedule = Schedule(steps=order.steps, **job.options["schedule"])
    order.check_schedule(schedule)
    return Planned(folders=folders, packed=packed, order=order, schedule=schedule)
