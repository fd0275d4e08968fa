"""The sentence on the delivered model says what the numbers say, no more."""

from typing import Any

from stages._worker.verdict import verdict_sentence


def line(task: str, before: float, after: float, low: float, high: float, outcome: str, **more: Any) -> dict:
    return {
        "task": task,
        "seen_in_training": False,
        "items": 64,
        "chance": None,
        "before": before,
        "after": after,
        "gain": after - before,
        "gain_lo": low,
        "gain_hi": high,
        "outcome": outcome,
    } | more


def step(kind: str, **metrics: float) -> dict[str, Any]:
    return {"stage": kind, "kind": kind, "metrics": metrics}


def told(
    lines: list[dict] | None = None, *, base: str | None = "base", history: list[dict] | None = None
) -> str:
    return verdict_sentence(
        model="rl", base=base, lines=lines or [], history=history or [step("base"), step("rl")]
    )


BETTER = line("heldout_statute_recitation", 3.14, 12.4, 7.1, 11.6, "better")
CHANCE = line("heldout_charge_choice", 0, 26.6, 14, 39, "chance", chance=25.0)


def test_better_names_where_by_what_and_the_interval() -> None:
    text = told([BETTER, CHANCE])
    assert text.startswith(
        "The delivered model (rl) is better than its base (base) in 1 of 2 tasks (percent, 95 % intervals over all "
        "tasks together): held-out statute recitation 3.1 → 12.4 (+9.3 [7.1, 11.6]); "
    )
    assert (
        "it answers, but no better than chance, in 1: held-out charge choice 0.0 → 26.6 (+26.6 [14.0, 39.0], chance 25.0)"
        in text
    )
    assert text.count(". ") == 0 and text.endswith(".")


def test_worse_mixed_and_no_difference() -> None:
    worse = line("law", 40, 10, -45, -15, "worse", chance=25.0)
    same = line("law", 20, 21, -8, 10, "same")
    text = told([worse])
    assert "(rl) is worse than its base (base) in 1 of 1 tasks" in text
    assert "law 40.0 → 10.0 (-30.0 [-45.0, -15.0], chance 25.0)" in text
    mixed = told([worse, BETTER, same])
    assert "is better than its base (base) in 1 of 3 tasks" in mixed and "; worse in 1: law 40.0" in mixed
    assert "no difference can be told in 1: law." in mixed
    text = told([same, CHANCE])
    assert "is neither better nor worse than its base (base) in any of 2 tasks" in text
    assert "no difference can be told in 1: law 20.0 → 21.0 (+1.0 [-8.0, 10.0])" in text


def test_prompts_it_was_trained_on_decide_nothing() -> None:
    pool = line("pool_choice", 0, 90, 80, 95, "better", seen_in_training=True)
    text = told([pool])
    assert "on no task that it was not trained on; on prompts it was trained on, which decide nothing" in text
    assert text.endswith("better in 1 of 1.")
    assert "neither better nor worse" in told([pool, line("law", 20, 21, -8, 10, "same")])


def test_a_base_that_was_not_evaluated_is_said() -> None:
    alone = line("law", 0, 31, 0, 0, "none", chance=25.0) | {"outcome": None}
    text = told([alone], base=None)
    assert (
        "cannot be told: the base was not evaluated; its best scores in percent: law 31.0 (chance 25.0)."
        in text
    )
    only_base = told(base=None, history=[step("base")])
    assert "is a base model" in only_base and "not evaluated" not in only_base


def test_more_tasks_than_are_named_are_counted() -> None:
    many = [line(f"task_{n}", 10, 20 + n, 5 + n, 15 + n, "better") for n in range(5)]
    assert "in 5 of 5 tasks" in told(many) and ": task 4 10.0 → 24.0" in told(many)
    assert told(many).endswith(" and 2 more.")


def test_forgetting_is_said_where_the_intervals_are_apart() -> None:
    learnt = step("midtrain", legal_ppl=122.7, legal_ppl_lo=108, legal_ppl_hi=141, general_ppl=534)
    kept = step("rl", legal_ppl=135.7, legal_ppl_lo=120, legal_ppl_hi=155, general_ppl=454)
    lost = step("rl", legal_ppl=889.5, legal_ppl_lo=800, legal_ppl_hi=990, general_ppl=454)
    assert "forgot" not in told([BETTER], history=[learnt, kept])
    text = told([BETTER], history=[learnt, step("sft"), lost])
    assert "it forgot since mid-training: legal perplexity 122.7 → 889.5 (7.2 times)" in text


def test_rewards_that_did_not_rise_on_held_out_prompts_are_said() -> None:
    metrics = {
        "choice_heldout_before": 0.234,
        "choice_heldout_after": 0.219,
        "choice_heldout_gain_lo": -0.1,
        "recall_heldout_before": 0.2,
        "recall_heldout_after": 0.5,
        "recall_heldout_gain_lo": 0.1,
    }
    text = told([BETTER], history=[step("rl", **metrics)])
    assert "on held-out prompts no rise of RL's reward can be told: choice 0.234 → 0.219." in text
