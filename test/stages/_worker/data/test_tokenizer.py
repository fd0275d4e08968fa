import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages._worker.data.chat import render_chat
from stages._worker.data.tokenizer import RESERVED, Tokenizer, load_tokenizer, train_tokenizer
from stages._worker.failures import DataError

TEXTS = [
    "人民法院应当依法审理案件。",
    "第二百三十二条　故意杀人的，处死刑。",
    "The court shall decide in 30 days.",
] * 40


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tokenizer")
    train_tokenizer(TEXTS, size=400, folder=folder)
    return folder


@pytest.fixture(scope="module")
def tokenizer(folder: Path) -> Tokenizer:
    return load_tokenizer(folder)


def test_reserved_tokens_are_ids_0_to_4(tokenizer: Tokenizer) -> None:
    assert [tokenizer.encode(token) for token in RESERVED] == [[0], [1], [2], [3], [4]]
    assert (tokenizer.end_of_text, tokenizer.end_of_turn, tokenizer.think_end) == (0, 2, 4)


def test_words_of_the_chat_form_are_single_entries(tokenizer: Tokenizer) -> None:
    assert [len(tokenizer.encode(word)) for word in ("user", "assistant", "system")] == [1, 1, 1]


# NFC is the one thing that may change a text, so that the texts are drawn in NFC's fixed points.
@settings(max_examples=50, deadline=None)
@given(text=st.text(st.sampled_from("法律条文第一二三，。（）abcXYZ019 \n\t😀é"), max_size=60))
def test_text_comes_back(tokenizer: Tokenizer, text: str) -> None:
    assert tokenizer.decode(tokenizer.encode(text)) == text


def test_training_again_gives_the_same_file(folder: Path, tmp_path: Path) -> None:
    train_tokenizer(TEXTS, size=400, folder=tmp_path)
    assert (tmp_path / "tokenizer.json").read_bytes() == (folder / "tokenizer.json").read_bytes()


def test_skipping_special_tokens_keeps_the_reasoning_marks(tokenizer: Tokenizer) -> None:
    ids = tokenizer.encode("<think>甲</think>乙<|im_end|>")
    assert tokenizer.decode(ids, skip_special=True) == "<think>甲</think>乙"


def test_reasoning_stays_in_the_last_turn_only() -> None:
    messages = [
        {"role": "user", "content": "甲"},
        {"role": "assistant", "content": "<think>想</think>\n\n乙"},
        {"role": "user", "content": "丙"},
        {"role": "assistant", "content": "<think>思</think>\n\n丁"},
    ]
    assert render_chat(messages) == (
        "<|im_start|>user\n甲<|im_end|>\n<|im_start|>assistant\n乙<|im_end|>\n"
        "<|im_start|>user\n丙<|im_end|>\n<|im_start|>assistant\n<think>思</think>\n\n丁<|im_end|>\n"
    )


def test_a_prompt_is_the_beginning_of_the_whole_conversation() -> None:
    messages = [{"role": "user", "content": "甲"}, {"role": "assistant", "content": "<think>想</think>\n乙"}]
    prompt = render_chat(messages[:1], add_generation_prompt=True)
    assert render_chat(messages) == prompt + "<think>想</think>\n乙<|im_end|>\n"


def test_thinking_can_be_switched_off() -> None:
    text = render_chat([{"role": "user", "content": "甲"}], add_generation_prompt=True, enable_thinking=False)
    assert text.endswith("<|im_start|>assistant\n<think>\n\n</think>\n\n")


def test_a_folder_without_reserved_tokens_is_refused(folder: Path, tmp_path: Path) -> None:
    text = (folder / "tokenizer.json").read_text(encoding="utf-8").replace("<think>", "<thunk>")
    (tmp_path / "tokenizer.json").write_text(text, encoding="utf-8")
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({}))
    with pytest.raises(DataError, match="no <think>"):
        load_tokenizer(tmp_path)
