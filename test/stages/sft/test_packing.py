"""Tokens, loss masks and rows."""

import numpy as np
import pytest

from stages._worker.failures import DataError
from stages.sft.packing import fill_row, plan_rows
from stages.sft.tokenise import Tokenised, tokenise

END = "#"


def render(messages: list[dict[str, str]], add_generation_prompt: bool) -> str:
    text = "".join(f"{m['role'][0]}:{m['content']}{END}\n" for m in messages)
    return text + ("a:" if add_generation_prompt else "")


def encode(text: str) -> list[int]:
    return [ord(letter) for letter in text]


def sample(*turns: str) -> Tokenised:
    roles = ["user", "assistant"] * len(turns)
    messages = [{"role": role, "content": text} for role, text in zip(roles, turns, strict=False)]
    return tokenise(messages, render=render, encode=encode, end=END)


def text_of(tokens: np.ndarray) -> str:
    return "".join(map(chr, tokens))


def test_the_loss_counts_the_answer_and_its_end_alone() -> None:
    made = sample("问", "答案")
    assert text_of(made.tokens) == "u:问#\na:答案#"
    assert text_of(made.tokens[made.counted]) == "答案#"
    assert text_of(made.tokens[: made.prompt]) == "u:问#\na:"


def test_of_several_turns_the_last_answer_counts() -> None:
    made = sample("一", "二", "三", "四")
    assert text_of(made.tokens[made.counted]) == "四#"


def test_a_sample_has_to_end_with_an_answer() -> None:
    with pytest.raises(DataError, match="assistant"):
        sample("一", "二", "三")


def test_a_template_that_does_not_close_the_answer_is_refused() -> None:
    with pytest.raises(DataError, match="close"):
        tokenise(
            [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}],
            render=lambda m, g: "x" if g else "xy",
            encode=encode,
            end=END,
        )


def test_positions_predict_the_next_token() -> None:
    made = sample("问", "答案")
    row = fill_row([made], length=16, padding=0)
    counted = row.counted.astype(bool)
    assert text_of(row.targets[counted]) == "答案#"
    assert text_of(row.inputs[counted]) == ":答案"
    assert (row.segments > 0).sum() == len(made.tokens)
    assert row.counted.sum() == 3


def test_two_samples_of_a_row_have_their_own_segments_and_masks() -> None:
    first, second = sample("一", "二"), sample("三三", "四")
    row = fill_row([first, second], length=20, padding=0)
    assert text_of(row.targets[row.counted.astype(bool)]) == "二#四#"
    border = len(first.tokens)
    assert set(row.segments[:border]) == {1}
    assert set(row.segments[border : border + len(second.tokens)]) == {2}
    assert row.counted[border - 1] == 0  # the last token of one sample does not predict the next one's first


def test_a_row_may_be_exactly_full() -> None:
    made = sample("问", "答")
    row = fill_row([made], length=len(made.tokens) - 1, padding=0)
    assert text_of(row.targets[row.counted.astype(bool)]) == "答#"


@pytest.mark.parametrize("boundaries", ["mask", "open"])
def test_every_sample_is_packed_once_and_fits(boundaries: str) -> None:
    rng = np.random.default_rng(5)
    lengths = [int(n) for n in rng.integers(3, 33, 300)]
    rows = list(plan_rows(range(300), lengths, length=64, boundaries=boundaries))
    assert sorted(index for row in rows for index in row) == list(range(300))
    assert all(sum(lengths[index] for index in row) <= 65 for row in rows)
    filled = sum(lengths) / (65 * len(rows))
    assert filled > 0.85


def test_one_sample_a_row() -> None:
    assert list(plan_rows([2, 0, 1], [5, 5, 5], length=64, boundaries="one")) == [[2], [0], [1]]


def test_a_sample_longer_than_a_row_is_refused() -> None:
    with pytest.raises(ValueError, match="66 tokens, a row takes 65"):
        list(plan_rows([0], [66], length=64, boundaries="mask"))


def test_rows_come_as_the_stream_goes() -> None:
    def endless():
        while True:
            yield 0

    rows = plan_rows(endless(), [30], length=64, boundaries="mask")
    assert next(rows) == [0, 0]
