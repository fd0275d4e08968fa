"""Tokenizers: byte-level BPE in the form of Qwen's, trained here or read from a model folder."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from tokenizers import AddedToken, Regex, decoders, models, normalizers, pre_tokenizers, trainers
from tokenizers import Tokenizer as FastTokenizer

from stages._worker.data.chat import CHAT_TEMPLATE
from stages._worker.failures import DataError
from stages._worker.jsonl import write_json

END_OF_TEXT = "<|endoftext|>"
TURN_START = "<|im_start|>"
END_OF_TURN = "<|im_end|>"
THINK_START = "<think>"
THINK_END = "</think>"
# Reserved first, so that their ids are 0 to 4 in every tokenizer trained here.
RESERVED = (END_OF_TEXT, TURN_START, END_OF_TURN, THINK_START, THINK_END)
FILES = ("tokenizer.json", "tokenizer_config.json")

# Contractions, one run of letters, single digits, runs of signs, line breaks, blanks.
_PIECES = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


class Tokenizer:
    """Text to ids and back. Reserved tokens in `text` are read as such only when `special` is true."""

    def __init__(self, fast: FastTokenizer, chat_template: str) -> None:
        self._fast = fast
        self.chat_template = chat_template
        self.end_of_text = self._reserved(END_OF_TEXT)
        self.turn_start = self._reserved(TURN_START)
        self.end_of_turn = self._reserved(END_OF_TURN)
        self.think_start = self._reserved(THINK_START)
        self.think_end = self._reserved(THINK_END)

    def __len__(self) -> int:
        return self._fast.get_vocab_size(with_added_tokens=True)

    def encode(self, text: str) -> list[int]:
        """Ids of `text`; reserved tokens written in it become single ids."""
        return self._fast.encode(text, add_special_tokens=False).ids

    def encode_batch(self, texts: list[str]) -> list[list[int]]:
        """Ids of each text."""
        return [item.ids for item in self._fast.encode_batch(texts, add_special_tokens=False)]

    def decode(self, ids: Iterable[int], *, skip_special: bool = False) -> str:
        """Text of ids. `skip_special` leaves out end of text and turn marks, and keeps `<think>`."""
        return self._fast.decode(list(ids), skip_special_tokens=skip_special)

    def _reserved(self, token: str) -> int:
        number = self._fast.token_to_id(token)
        if number is None:
            raise DataError(f"the tokenizer has no {token}")
        return number


def train_tokenizer(texts: Iterable[str], *, size: int, folder: Path) -> Tokenizer:
    """Learns `size` entries from `texts` and writes tokenizer.json and tokenizer_config.json."""
    fast = FastTokenizer(models.BPE())
    fast.normalizer = normalizers.NFC()
    fast.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_PIECES), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    fast.decoder = decoders.ByteLevel()
    special = (END_OF_TEXT, TURN_START, END_OF_TURN)
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=[AddedToken(token, special=token in special, normalized=False) for token in RESERVED],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    fast.train_from_iterator(_with_roles(texts), trainer)
    folder.mkdir(parents=True, exist_ok=True)
    fast.save(str(folder / FILES[0]))
    _keep_think_tags(folder / FILES[0], special)
    write_json(folder / FILES[1], _tokenizer_config(fast))
    return load_tokenizer(folder)


def load_tokenizer(folder: Path) -> Tokenizer:
    """Reads the tokenizer of a model folder."""
    try:
        fast = FastTokenizer.from_file(str(folder / FILES[0]))
        settings = json.loads((folder / FILES[1]).read_text(encoding="utf-8"))
    except Exception as error:  # the tokenizers package raises bare Exception
        raise DataError(f"{folder}: no tokenizer can be read: {error}") from error
    return Tokenizer(fast, settings.get("chat_template") or CHAT_TEMPLATE)


def _keep_think_tags(path: Path, special: tuple[str, ...]) -> None:
    """The trainer marks all reserved tokens as special; `<think>` is not, so that decoding keeps it."""
    content = json.loads(path.read_text(encoding="utf-8"))
    for token in content["added_tokens"]:
        token["special"] = token["content"] in special
    path.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")


def _with_roles(texts: Iterable[str]) -> Iterator[str]:
    """The words of the chat template have to become single entries, whatever the texts are about."""
    yield "user\nassistant\nsystem\n" * 2000
    yield from texts


def _tokenizer_config(fast: FastTokenizer) -> dict[str, object]:
    special = (END_OF_TEXT, TURN_START, END_OF_TURN)
    added = {
        str(fast.token_to_id(token)): {
            "content": token,
            "lstrip": False,
            "normalized": False,
            "rstrip": False,
            "single_word": False,
            "special": token in special,
        }
        for token in RESERVED
    }
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "added_tokens_decoder": added,
        "additional_special_tokens": [TURN_START, END_OF_TURN],
        "bos_token": None,
        "eos_token": END_OF_TURN,
        "pad_token": END_OF_TEXT,
        "unk_token": None,
        "add_bos_token": False,
        "add_prefix_space": False,
        "clean_up_tokenization_spaces": False,
        "model_max_length": 131072,
        "chat_template": CHAT_TEMPLATE,
    }
