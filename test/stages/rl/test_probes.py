"""The gain of probes: prompt by prompt, so that an interval over few prompts tells what changed."""

from stages.rl.probes import gain_of


def test_a_gain_on_every_prompt_is_told_although_prompts_differ_widely() -> None:
    before = [0.0, 0.1, 0.2, 0.4, 0.5, 0.6, 0.8, 0.9]
    gain = gain_of(before, [value + 0.05 + 0.01 * n for n, value in enumerate(before)], seed=1)
    assert gain is not None and 0.05 < gain.low < gain.value < gain.high < 0.13


def test_up_and_down_is_no_gain_and_no_fall() -> None:
    gain = gain_of([0.5] * 8, [0.4, 0.6] * 4, seed=1)
    assert gain is not None and gain.low < 0 < gain.high


def test_prompts_without_a_verdict_on_either_side_are_left_out() -> None:
    gain = gain_of([None, 0.2, 0.3], [0.9, None, 0.4], seed=1)
    assert gain is not None and round(gain.value, 6) == 0.1
    assert gain_of([None], [0.9], seed=1) is None
