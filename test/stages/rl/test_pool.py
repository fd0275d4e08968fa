"""Which prompts a level has."""

from pathlib import Path

import pytest
from support.tiny_model import TEXTS

from stages._worker.data.tokenizer import Tokenizer, train_tokenizer
from stages._worker.failures import DataError
from stages.rl.pool import Pool, read_pool


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    return train_tokenizer(TEXTS, size=300, folder=Path(tmp_path_factory.mktemp("tokenizer")))


def sample(number: int, split: str, pool: str | None, question: str = "问") -> dict:
    return {
        "id": f"s{number}",
        "task": "recite",
        "split": split,
        "pool": pool,
        "messages": [{"role": "user", "content": question}, {"role": "assistant", "content": "答"}],
        "reference": "答",
    }


SAMPLES = [
    *(sample(n, "train", "memorisation") for n in range(5)),
    *(sample(n, "train", None) for n in range(5, 8)),
    *(sample(n, "heldout", None) for n in range(8, 12)),
    sample(12, "train", "memorisation", "很长的问题" * 40),
]


def pool(tokenizer: Tokenizer, seed: int = 1, **level: str) -> Pool:
    return read_pool(
        SAMPLES,
        tokenizer,
        level={"name": "one", **level},
        longest_prompt=60,
        probes=3,
        heldout=2,
        seed=seed,
    )


def test_pool_and_heldout_prompts_of_the_same_task(tokenizer: Tokenizer) -> None:
    made = pool(tokenizer, pool="memorisation")
    assert [prompt.number for prompt in made.train] == [0, 1, 2, 3, 4]
    assert made.too_long == 1
    assert len(made.probes) == 3
    assert {prompt.number for prompt in made.heldout} <= {8, 9, 10, 11}
    assert len(made.heldout) == 2


def test_a_task_takes_all_its_training_samples(tokenizer: Tokenizer) -> None:
    assert len(pool(tokenizer, task="recite").train) == 8


def test_the_order_goes_through_the_pool_before_it_repeats(tokenizer: Tokenizer) -> None:
    made = pool(tokenizer, pool="memorisation")
    passes = [[made.at(1, 0, 5 * number + place).number for place in range(5)] for number in range(4)]
    assert all(sorted(one) == [0, 1, 2, 3, 4] for one in passes)
    assert len({tuple(one) for one in passes}) > 1


def test_probes_do_not_depend_on_the_order_of_samples(tokenizer: Tokenizer) -> None:
    ids = {prompt.question.id for prompt in pool(tokenizer, pool="memorisation").probes}
    turned = read_pool(
        SAMPLES[::-1],
        tokenizer,
        level={"name": "one", "pool": "memorisation"},
        longest_prompt=60,
        probes=3,
        heldout=2,
        seed=1,
    )
    assert {prompt.question.id for prompt in turned.probes} == ids


def test_a_level_without_prompts_is_named(tokenizer: Tokenizer) -> None:
    with pytest.raises(DataError, match="level one: no training sample with pool nothing"):
        pool(tokenizer, pool="nothing")
