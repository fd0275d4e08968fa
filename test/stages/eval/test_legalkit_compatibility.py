"""Compatible mode equals LegalKit, defects included; strict mode has none of them."""

import math

import pytest

from stages._worker.rouge_words import normalise, rouge_l
from stages.eval.compatible_scores import choice_score, clean_prediction, percent, read_letters, rouge_score
from stages.eval.strict_scores import judge_item

# (prediction, gold, what LegalKit reads, right for LegalKit, score of strict mode)
CHOICES = [
    ("B", "B", "B", True, 1.0),
    ("BA", "AB", "BA", False, 1.0),
    ("A、B", "AB", "AB", True, 1.0),
    ("A和B", "AB", "AB", True, 1.0),
    ("b", "B", "", False, 1.0),
    ("Ｂ", "B", "", False, 1.0),
    ("ANSWER: B", "B", "AEB", False, 1.0),
    ("分析可知选C", "C", "", False, 1.0),
    ("C。解析：因为A不对", "C", "C", True, 0.0),
    ("答案：C。解析：因为A不对", "C", "C", True, 1.0),
    ("ABCDE", "ABCDE", "ABCDE", True, 1.0),
    ("ABCDEA", "ABCDE", "ABCDE", True, 1.0),  # runs ABCDE and A
    ("AAB", "AB", "", False, 1.0),  # a run that repeats a letter is dropped
    ("A B", "AB", "AB", True, 1.0),
    ("不知道", "B", "", False, 0.0),
    ("", "B", "", False, 0.0),
    ("<think>选A</think>B", "B", "B", True, 1.0),
    ("<think>选A", "A", "A", True, 0.0),
    ("选A</think>B", "AB", "AB", True, 0.0),
]


@pytest.mark.parametrize(("prediction", "gold", "read", "right", "strict"), CHOICES)
def test_choice(prediction: str, gold: str, read: str, right: bool, strict: float) -> None:
    cleaned = clean_prediction(prediction)
    assert read_letters(cleaned) == read
    assert choice_score([cleaned], [gold]) == (100.0 if right else 0.0)
    assert judge_item("choice", prediction, gold).score == strict


def test_an_empty_gold_is_right_for_legalkit_and_invalid_for_us() -> None:
    assert choice_score(["不知道"], [""]) == 100.0
    assert judge_item("choice", "不知道", "").score is None


def test_a_missing_reading_of_nothing() -> None:
    assert read_letters(None) == ""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<think>a</think> b ", "b"),
        ("<think>a</think>b</think>c", "c"),
        ("</think>b<think>", "b<think>"),  # both occur, whatever their order
        ("<think>a", "<think>a"),
        ("a</think>b", "a</think>b"),
    ],
)
def test_clean_prediction(text: str, expected: str) -> None:
    assert clean_prediction(text) == expected


def test_identical_texts_score_just_under_100() -> None:
    text = "当事人应当按照约定全面履行自己的义务"
    assert rouge_score([text], [text]) == pytest.approx(99.9999995, abs=1e-9)


def test_rouge_counts_unique_words() -> None:
    # words 甲方 赔偿: precision 1 although the first says 甲方 three times
    assert rouge_l("甲方，甲方，甲方赔偿", "甲方赔偿") == pytest.approx(0.999999995, abs=1e-9)


def test_rouge_by_hand() -> None:
    # 盗窃 财物 against 抢劫 财物: one common word, p = r = 1/2
    assert rouge_l("盗窃财物", "抢劫财物") == pytest.approx(2 * 0.25 / (1 + 1e-8))


def test_normalisation_keeps_the_mark_legalkit_forgets() -> None:
    assert normalise(" 《刑法》，第 Ａ1 条！(B)\n") == "《刑法第ａ1条b"


@pytest.mark.parametrize(("a", "b"), [("", "甲"), ("甲", ""), ("，。", "甲"), ("", "")])
def test_texts_without_words_score_zero(a: str, b: str) -> None:
    assert rouge_l(a, b) == 0.0


def test_an_empty_prediction_shifts_the_pairs_of_legalkit() -> None:
    references = ["合同成立", "租赁期限", "诉讼时效"]
    predictions = ["", "租赁期限", "诉讼时效"]
    assert rouge_score(predictions, references) == 0.0  # 租赁期限 against 合同成立, and so on
    strict = [judge_item("rouge_l", p, r).score for p, r in zip(predictions, references, strict=True)]
    assert strict == [0.0, pytest.approx(1.0), pytest.approx(1.0)]


def test_an_empty_last_prediction_divides_by_fewer_items() -> None:
    assert rouge_score(["合同成立", ""], ["合同成立", "租赁期限"]) == pytest.approx(99.9999995)


def test_nothing_but_empties_is_no_number() -> None:
    assert math.isnan(rouge_score(["", " "], ["甲", "乙"]))
    verdict = judge_item("rouge_l", "", "甲")
    assert (verdict.score, verdict.answered) == (0.0, False)


def test_a_missing_prediction_is_unanswered() -> None:
    assert judge_item("choice", None, "A").score == 0.0
    assert not judge_item("rouge_l", None, "甲").answered


@pytest.mark.parametrize(("value", "expected"), [(0.5, 50.0), (1.0, 100.0), (0.0, 0.0), (1.5, 1.5)])
def test_percent(value: float, expected: float) -> None:
    assert percent(value) == expected
