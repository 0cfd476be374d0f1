"""Attacks on the grading, each the answer to an exercise that is otherwise wrong.

`ATTACKS` has those that sit in the exercise's cell, `NOTEBOOKS` those on the notebook around it. `SOURCE` is the
chapter that they attack: one exercise, `f`, whose hidden test knows values that nothing else knows.
"""

from __future__ import annotations

from autograder.tests.attacks.cells import ATTACKS, Attack
from autograder.tests.attacks.chapter import HONEST, SECRETS, SOURCE, attacked
from autograder.tests.attacks.notebooks import NOTEBOOKS

__all__ = ["ATTACKS", "HONEST", "NOTEBOOKS", "SECRETS", "SOURCE", "Attack", "attacked"]
