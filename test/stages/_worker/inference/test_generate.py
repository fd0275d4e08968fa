import mindspore as ms
import numpy as np
import pytest

from stages._worker.failures import UserError
from stages._worker.inference.generate import Generation, Generator
from stages._worker.model import device
from stages._worker.model.config import Qwen3Config
from stages._worker.model.qwen3 import Qwen3ForCausalLM
from stages._worker.model.weights import initialise

PROMPTS = [[5, 6, 7], [9], [8, 11, 30, 4, 2, 17, 60, 33], [12, 13]]
NEVER = frozenset[int]()


@pytest.fixture(scope="module")
def network() -> Qwen3ForCausalLM:
    device.set_up()
    config = Qwen3Config(
        vocab_size=64,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=8,
        max_position_embeddings=32,
    )
    network = Qwen3ForCausalLM(config)
    initialise(network, seed=1, linear_std=0.3, embedding_std=0.5)
    return network


@pytest.fixture(scope="module")
def generator(network: Qwen3ForCausalLM) -> Generator:
    return Generator(network, batch=3, prompt_length=8, answer_length=6)


def test_cached_log_probs_are_those_of_the_whole_sequence(
    network: Qwen3ForCausalLM, generator: Generator
) -> None:
    answers = generator.generate(PROMPTS, stop=NEVER, temperature=1.0, seed=3)
    for prompt, answer in zip(PROMPTS, answers, strict=True):
        row = np.zeros((1, 14), np.int32)
        row[0, : len(prompt) + 6] = prompt + answer.tokens
        logits = network(ms.Tensor(row)).asnumpy()[0].astype(np.float64)
        log_p = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        expected = [log_p[len(prompt) - 1 + i, token] for i, token in enumerate(answer.tokens)]
        assert answer.log_probs == pytest.approx(expected, abs=1e-4)


def test_an_answer_depends_on_seed_step_and_item_alone(generator: Generator) -> None:
    together = generator.generate(PROMPTS, stop=NEVER, temperature=1.0, seed=3)
    alone = [
        generator.generate([prompt], stop=NEVER, temperature=1.0, seed=3, first_item=i)[0]
        for i, prompt in enumerate(PROMPTS)
    ]
    assert tokens(alone) == tokens(together)
    assert tokens(generator.generate(PROMPTS, stop=NEVER, temperature=1.0, seed=4)) != tokens(together)
    assert tokens(generator.generate(PROMPTS, stop=NEVER, temperature=1.0, seed=3, step=1)) != tokens(
        together
    )


def test_temperature_0_takes_the_likeliest(network: Qwen3ForCausalLM, generator: Generator) -> None:
    (answer,) = generator.generate([PROMPTS[2]], stop=NEVER, temperature=0, seed=0)
    row = np.zeros((1, 14), np.int32)
    row[0] = PROMPTS[2] + answer.tokens
    best = network(ms.Tensor(row)).asnumpy()[0].argmax(axis=1)
    assert answer.tokens == best[7:13].tolist()


def test_a_stop_token_ends_the_answer_and_is_left_out(generator: Generator) -> None:
    (whole,) = generator.generate([PROMPTS[0]], stop=NEVER, temperature=1.0, seed=3)
    stop = whole.tokens[3]
    (answer,) = generator.generate([PROMPTS[0]], stop=frozenset({stop}), temperature=1.0, seed=3)
    end = whole.tokens.index(stop)
    assert answer.tokens == whole.tokens[:end] and answer.stopped and not whole.stopped
    assert answer.log_probs == whole.log_probs[: end + 1]


def test_new_weights_are_seen_at_once(network: Qwen3ForCausalLM, generator: Generator) -> None:
    before = generator.generate(PROMPTS, stop=NEVER, temperature=0, seed=0)
    initialise(network, seed=2, linear_std=0.3, embedding_std=0.5)
    assert tokens(generator.generate(PROMPTS, stop=NEVER, temperature=0, seed=0)) != tokens(before)
    initialise(network, seed=1, linear_std=0.3, embedding_std=0.5)
    assert tokens(generator.generate(PROMPTS, stop=NEVER, temperature=0, seed=0)) == tokens(before)


@pytest.mark.parametrize("prompt", [[], [1] * 9])
def test_a_prompt_that_does_not_fit_is_refused(generator: Generator, prompt: list[int]) -> None:
    with pytest.raises(UserError, match="expected 1 to 8"):
        generator.generate([prompt], stop=NEVER, temperature=0, seed=0)


def tokens(answers: list[Generation]) -> list[list[int]]:
    return [answer.tokens for answer in answers]
