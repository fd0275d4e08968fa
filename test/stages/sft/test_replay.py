"""Documents of the corpus among the samples, and what the loss counts of them."""

from pathlib import Path

import numpy as np
import pytest

from stages._worker import jsonl
from stages._worker.data.replay import read_replay, replay_arrays
from stages._worker.data.tokenizer import train_tokenizer
from stages._worker.failures import UserError
from stages.sft.data import Samples, plan_training
from stages.sft.tokenise import Tokenised

TEXTS = {group: [f"{group} text number {n} " * (n + 1) for n in range(6)] for group in ("legal", "general")}
OPTIONS = {"share": 0.5, "groups": {"legal": 3, "general": 1}, "documents": 4}
LENGTH = 24


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    for group, texts in TEXTS.items():
        rows = [{"id": f"{group}-{n}", "text": text} for n, text in enumerate(texts)]
        (folder / "documents" / "train").mkdir(parents=True, exist_ok=True)
        jsonl.write(folder / "documents" / "train" / f"{group}.jsonl", rows)
    return folder


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory):
    every = [text for texts in TEXTS.values() for text in texts]
    return train_tokenizer(every, size=300, folder=tmp_path_factory.mktemp("tokenizer"))


def sample(tokens: int, answer: int) -> Tokenised:
    counted = np.array([False] * (tokens - answer) + [True] * answer)
    return Tokenised(tokens=np.arange(tokens, dtype=np.int32), counted=counted, prompt=tokens - answer)


def planned(replay, share: float, steps: int | None = 20):
    samples = Samples(
        rows=[{"id": f"s{n}", "task": "recite"} for n in range(5)],
        tokens=[sample(10, 4) for _ in range(5)],
        dropped=0,
    )
    options = {
        "mix": [],
        "mix_by": "samples",
        "passes": 2,
        "batch": 4,
        "length": LENGTH,
        "boundaries": "mask",
        "replay": {**OPTIONS, "share": share},
    }
    return plan_training(samples, replay, options=options, seed=1, padding=0, steps=steps)


def test_documents_are_cut_begin_with_end_of_text_and_the_choice_is_stable(corpus, tokenizer) -> None:
    rows = read_replay(corpus, tokenizer, OPTIONS, length=LENGTH, seed=3)
    assert {group: len(found) for group, found in rows.items()} == {"legal": 4, "general": 4}
    for group, found in rows.items():
        for row in found:
            assert row.id.startswith(f"replay:{group}:{group}-")
            assert row.tokens[0] == tokenizer.end_of_text
            text = TEXTS[group][int(row.id.rsplit("-", 1)[1])]
            assert list(row.tokens[1:]) == tokenizer.encode(text)[:LENGTH]
    again = read_replay(corpus, tokenizer, OPTIONS, length=LENGTH, seed=3)
    assert [row.id for row in again["legal"]] == [row.id for row in rows["legal"]]


def test_no_share_reads_nothing_and_needs_no_corpus(tokenizer) -> None:
    assert read_replay(None, tokenizer, {**OPTIONS, "share": 0}, length=LENGTH, seed=3) == {}


@pytest.mark.parametrize(
    ("groups", "said"),
    [({"legal": 1, "synthetic": 1}, "names synthetic"), ({"legal": 0}, "no group has a weight")],
)
def test_groups_that_are_not_there_are_named(corpus, tokenizer, groups, said) -> None:
    with pytest.raises(UserError, match=said):
        read_replay(corpus, tokenizer, {**OPTIONS, "groups": groups}, length=LENGTH, seed=3)


def test_a_share_without_a_corpus_is_refused(tokenizer) -> None:
    with pytest.raises(UserError, match="no corpus"):
        read_replay(None, tokenizer, OPTIONS, length=LENGTH, seed=3)


def test_the_share_holds_and_the_loss_counts_every_token_of_a_document(corpus, tokenizer) -> None:
    replay = read_replay(corpus, tokenizer, OPTIONS, length=LENGTH, seed=3)
    plan, _ = planned(replay, 0.5)
    assert plan.shares["all"] == pytest.approx(0.5, abs=0.02)
    assert plan.shares["replay:legal"] == pytest.approx(0.375, abs=0.02)
    assert plan.shares["replay:general"] == pytest.approx(0.125, abs=0.02)
    inputs, targets, counted, segments = plan.batch(range(len(plan.rows)))
    for row, members in enumerate(plan.rows):
        expected = []
        for number, index in enumerate(members, start=1):
            made = plan.samples.tokens[index]
            own = counted[row][segments[row] == number][: len(made.tokens) - 1]
            if plan.samples.rows[index]["task"] == "replay":
                assert own.all() and len(own) == len(made.tokens) - 1
            else:
                assert own.sum() == 4
            expected += [*made.tokens]
        assert [inputs[row][0], *targets[row]][: len(expected)] == expected
    assert plan.counted == {
        "answers": sum(4 for row in plan.rows for index in row if index < 5),
        "replay": int(counted.sum()) - sum(4 for row in plan.rows for index in row if index < 5),
    }


def test_without_replay_the_order_is_what_it_was(corpus, tokenizer) -> None:
    plain, _ = planned({}, 0)
    assert plain.shares == {"all": 1.0}
    assert plain.counted["replay"] == 0


def test_passes_count_the_samples_alone(corpus, tokenizer) -> None:
    replay = read_replay(corpus, tokenizer, OPTIONS, length=LENGTH, seed=3)
    plan, _ = planned(replay, 0.5, steps=None)
    own = sum(index < 5 for row in plan.rows for index in row)
    assert 7 <= own <= 10  # twice five, less what the last incomplete batch leaves


def test_a_place_of_the_stream_is_a_function_of_seed_and_place(corpus, tokenizer) -> None:
    replay = read_replay(corpus, tokenizer, OPTIONS, length=LENGTH, seed=3)

    def at(places: range, seed: int = 7) -> tuple[np.ndarray, np.ndarray]:
        return replay_arrays(replay, OPTIONS["groups"], places, length=LENGTH, padding=0, seed=seed)

    tokens, weights = at(range(400))
    for first in (0, 130):
        some, some_weights = at(range(first, first + 10))
        assert np.array_equal(some, tokens[first : first + 10])
        assert np.array_equal(some_weights, weights[first : first + 10])
    assert not np.array_equal(at(range(10), seed=8)[0], tokens[:10])
    legal = {tuple(row.tokens) for row in replay["legal"]}
    share = np.mean([tuple(row[: int(w.sum()) + 1]) in legal for row, w in zip(tokens, weights, strict=True)])
    assert share == pytest.approx(0.75, abs=0.07)
    assert (weights.sum(1) >= 1).all()
