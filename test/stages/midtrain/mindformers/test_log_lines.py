"""Lines as people's runs printed them. Where each was seen stands beside it; values are unchanged."""

import pytest

from stages.midtrain.mindformers.log_lines import StepLine, read_samples, read_step

# MindFormers' documentation of fault recovery, Llama2 13B, 2025.
DOCUMENTED = (
    "2025-04-07 15:34:29,173 - [mindformers/core/callback/callback.py:529] - INFO - { Epoch:[  1/  2], "
    "step:[    2/   19], loss: 10.633, per_step_time: 1752ms, lr: 1e-05, overflow cond: False, loss_scale: 1.0, "
    "global_norm: [1 508834], train_throughput_per_npu: 170.738T"
)
# The same page; no colon after global_norm, a rate with an exponent.
NO_COLON = (
    "2025-04-07 15:34:30,941 - [mindformers/core/callback/callback.py:529] - INFO - { Epoch:[  1/  2], "
    "step:[    3/   19], loss: 9.673, per_step_time: 1754ms, lr: 9.981987e-06, overflow cond: False, "
    "loss_scale: 1.0, global_norm [10.579812], train_throughput_per_npu: 170.523T"
)
# MindFormers' documentation of skipping data; loss 0.000 as all pipeline stages but the last print it.
FIRST_STAGE = (
    "- INFO - { Epoch:[  1/  2], step:[    1/ 6500], loss: 0.000, per_step_time: 166756ms, lr: 0.0, "
    "overflow cond: False, loss_scale: 1.0, global_norm: [44.313248], train_throughput_per_npu: 2.849T"
)
PROGRESS_BAR = "- INFO -    0.0% |                                                  | 0.00600 samples/s/p  25 days, 2:07:47 }"
# A user's log of 2023 with an overflow, from MindFormers' model documentation.
OVERFLOW = (
    "[INFO] 2023-07-11 10:47:36,427 [mindformers/core/callback/callback.py:269] print_output_info: "
    "Epoch:[  1/  1], step:[    4/  125], loss:[2.244/2.244], time:507844.205 ms, lr:[0.], overflow cond: True, "
    "loss_scale: 268435460.0"
)
# Not seen in a log: made by the format string of LossCallback in MindFormers 1.9.0 (pynative/callback).
PYNATIVE = (
    "{ step:[   12/  200], loss:   2.718282, per_step_time:   1999ms, lr: 3.000000e-04, grad_norm: NaN, "
    "throughput:  61.20T }"
)
# Not seen in a log: the form that master of 2026 prints on a stage that is not the last.
PYNATIVE_STAGE = (
    "{ step:[   12/  200], consumed_samples: 96, global_batch_size: 8, "
    "loss: N/A (non-last PP stage, refer to last stage for real loss), per_step_time:   1999ms, lr: 3.000000e-04, "
    "grad_norm:   0.512345, throughput:  61.20T }"
)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (DOCUMENTED, (2, 38, 10.633, 1752, 1e-5, None, 170.738, False)),
        (NO_COLON, (3, 38, 9.673, 1754, 9.981987e-6, 10.579812, 170.523, False)),
        (OVERFLOW, (4, 125, 2.244, 507844.205, 0.0, None, None, True)),
        (PYNATIVE, (12, 200, 2.718282, 1999, 3e-4, None, 61.2, False)),
        (PYNATIVE_STAGE, (12, 200, None, 1999, 3e-4, 0.512345, 61.2, False)),
    ],
)
def test_a_step(line: str, expected: tuple) -> None:
    names = ("step", "of", "loss", "milliseconds", "rate", "norm", "teraflops", "overflow")
    assert read_step(line) == StepLine(**dict(zip(names, expected, strict=True)))


def test_the_loss_of_a_stage_that_is_not_the_last_is_none() -> None:
    assert read_step(FIRST_STAGE, last_stage=False).loss is None
    assert read_step(FIRST_STAGE).loss == 0.0


def test_a_second_epoch_goes_on_counting() -> None:
    found = read_step(DOCUMENTED.replace("Epoch:[  1/", "Epoch:[  2/"))
    assert (found.step, found.of) == (21, 38)


def test_a_loss_that_is_no_number_is_seen() -> None:
    assert read_step(DOCUMENTED.replace("loss: 10.633", "loss: nan")).loss != 0
    assert str(read_step(DOCUMENTED.replace("loss: 10.633", "loss: nan")).loss) == "nan"


def test_separate_losses_are_not_taken_for_the_loss() -> None:
    line = DOCUMENTED.replace("loss: 10.633", "loss: 10.7, lm_loss: 10.6, load_balancing_loss: 0.1")
    assert read_step(line).loss == 10.7


def test_the_progress_bar() -> None:
    assert read_samples(PROGRESS_BAR) == 0.006
    assert read_samples(DOCUMENTED) is None


@pytest.mark.parametrize(
    "line", ["", "INFO - Start training", PROGRESS_BAR, "step:[ 1/ 2] opt_global_step: 0"]
)
def test_other_lines_are_none(line: str) -> None:
    assert read_step(line) is None
