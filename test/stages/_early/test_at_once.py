"""Looks side by side: in order, none waited for longer than it is worth, and none that ends the others."""

from __future__ import annotations

import threading
import time

from stages._early.at_once import at_once
from stages._early.problem import Problem
from stages._worker.failures import UserError


def test_one_that_breaks_or_hangs_is_a_problem_about_the_look_and_the_others_are_told() -> None:
    never = threading.Event()

    def hang() -> list[Problem]:
        never.wait()
        return []

    def refuse() -> list[Problem]:
        raise UserError("two sources named a", hint="rename one")

    def fail() -> list[Problem]:
        raise ZeroDivisionError("by zero")

    def find() -> list[Problem]:
        return [Problem(message="no column")]

    before = time.monotonic()
    found = at_once([("a", hang), ("b", refuse), ("c", fail), ("d", find), ("e", list)], 0.3)
    assert time.monotonic() - before < 5
    assert found == [
        [Problem(message="could not look at a: nothing came within 0.3 s", about="look")],
        [Problem(message="two sources named a", hint="rename one")],
        [Problem(message="could not look at c: ZeroDivisionError: by zero", about="look")],
        [Problem(message="no column")],
        [],
    ]
