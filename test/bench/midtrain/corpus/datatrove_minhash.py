"""datatrove's MinHash pipeline on one file: `datatrove_minhash.py FILE FOLDER` prints what ours.py does.

Its four steps one after the other in this process, with as many hashes as ours (14 bands of 9). Shingles are five
characters in both: the word segmenter datatrove takes for Chinese would only slow it down.
"""

import json
import os
import resource
import shutil
import sys
import time
from pathlib import Path

from datatrove.data import DocumentsPipeline
from datatrove.pipeline.dedup import MinhashDedupCluster, MinhashDedupFilter, MinhashDedupSignature
from datatrove.pipeline.dedup.minhash import MinhashConfig, MinhashDedupBuckets
from datatrove.pipeline.readers import JsonlReader
from datatrove.pipeline.writers.jsonl import JsonlWriter
from datatrove.utils.hashing import HashConfig
from datatrove.utils.logging import logger
from datatrove.utils.word_tokenizers import WhitespaceTokenizer


class Characters(WhitespaceTokenizer):
    """Every character is a word."""

    def word_tokenize(self, text: str) -> list[str]:
        return list(text.replace(" ", ""))


def main(path: Path, folder: Path) -> None:
    """Signatures, buckets, clusters, filter; reads the documents twice and writes those that stay, as it does."""
    config = MinhashConfig(
        n_grams=5, num_buckets=14, hashes_per_bucket=9, hash_config=HashConfig(hash_fc="xxhash", precision=64)
    )

    def reader() -> JsonlReader:
        return JsonlReader(str(path.parent), glob_pattern=path.name)

    signatures, buckets, removed, kept = (str(folder / each) for each in ("sigs", "buckets", "ids", "kept"))
    start = time.perf_counter()
    # Any language that it splits at spaces: no other tokenizer is asked for.
    signer = MinhashDedupSignature(signatures, config=config, language="aii")
    signer.word_tokenizer = Characters()
    drain([reader(), signer])
    for bucket in range(config.num_buckets):
        drain([MinhashDedupBuckets(signatures, buckets, config=config)], bucket, config.num_buckets)
    drain([MinhashDedupCluster(buckets, removed, config=config)])
    drain([reader(), MinhashDedupFilter(removed), JsonlWriter(kept, compression=None)])
    seconds = time.perf_counter() - start
    documents = sum(1 for _ in path.open("rb"))
    stay = sum(1 for file in Path(kept).glob("*.jsonl") for _ in file.open("rb"))
    peak = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({"seconds": seconds, "documents": documents, "kept": stay, "peakBytes": peak}))


def drain(steps: list, rank: int = 0, size: int = 1) -> None:
    """Runs the steps of one task, as an executor does."""
    data: DocumentsPipeline = None
    for step in steps:
        data = step(data, rank, size)
    for _ in data or ():
        pass


if __name__ == "__main__":
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    logger.remove()
    shutil.rmtree(sys.argv[2], ignore_errors=True)
    main(Path(sys.argv[1]), Path(sys.argv[2]))
