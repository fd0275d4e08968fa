"""Samples to tokens: the chat template, and which tokens the loss counts."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from stages._worker.failures import DataError

Render = Callable[[list[dict[str, str]], bool], str]  # (messages, add_generation_prompt) -> text
Encode = Callable[[str], list[int]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Tokenised:
    """One sample. `counted[i]` says whether the loss counts the prediction OF token i."""

    tokens: np.ndarray  # (length,) int32
    counted: np.ndarray  # (length,) bool
    prompt: int  # tokens before the answer


def tokenise(messages: list[dict[str, str]], *, render: Render, encode: Encode, end: str) -> Tokenised:
    """Tokens of a conversation that ends with an assistant message, up to and with `end` (`<|im_end|>`).

    Prompt and answer are encoded apart, so that the model sees the same prompt tokens as when it generates.
    """
    if len(messages) < 2 or messages[-1]["role"] != "assistant":
        raise DataError("a sample needs messages that end with one of the assistant")
    prompt_text = render(messages[:-1], True)
    full_text = render(messages, False)
    if not full_text.startswith(prompt_text):
        raise DataError("the chat template renders the prompt otherwise when the answer follows")
    answer_text = full_text[len(prompt_text) :]
    closing = answer_text.rfind(end)
    if closing < 0:
        raise DataError(f"the chat template does not close the answer with {end}")
    prompt, answer = encode(prompt_text), encode(answer_text[: closing + len(end)])
    return Tokenised(
        tokens=np.array([*prompt, *answer], dtype=np.int32),
        counted=np.array([False] * len(prompt) + [True] * len(answer)),
        prompt=len(prompt),
    )
