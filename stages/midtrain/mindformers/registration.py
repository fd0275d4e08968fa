"""Makes the planned order known to MindFormers. The only file that imports it, beside launch.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mindformers.tools.register import MindFormerModuleType, MindFormerRegister
from mindspore.dataset import GeneratorDataset

from stages.midtrain.mindformers.ordered_entries import OrderedEntries


@MindFormerRegister.register(MindFormerModuleType.DATASET_LOADER)
class PlannedOrderDataLoader:
    """`train_dataset.data_loader` of type PlannedOrderDataLoader; what a shard reads is every num_shards-th entry."""

    def __new__(
        cls,
        index: str,
        data: list[str],
        sequence_length: int,
        end_of_document: int,
        create_compressed_eod_mask: bool = False,
        num_shards: int | None = None,
        shard_id: int | None = None,
        column_names: list[str] | None = None,
        **_: Any,
    ) -> GeneratorDataset:
        source = OrderedEntries(
            Path(index),
            [Path(path) for path in data],
            sequence_length=sequence_length,
            end_of_document=end_of_document,
            boundaries=create_compressed_eod_mask,
        )
        if column_names is not None and list(column_names) != list(source.columns):
            raise ValueError(f"input_columns are {column_names}, the order has {list(source.columns)}")
        return GeneratorDataset(
            source, column_names=list(source.columns), shuffle=False, num_shards=num_shards, shard_id=shard_id
        )
