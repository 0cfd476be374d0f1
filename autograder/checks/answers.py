"""What the questions of several chapters share: an answer that is a letter, and one that is a number."""

from __future__ import annotations

from typing import Any

import numpy as np


def choice(expect: Any, answer: Any, name: str, options: str, right: str, likely: dict[str, str]) -> None:
    """One letter of `options`; `likely` says what is wrong with each other one."""
    letter = answer.strip(" ().").lower() if type(answer) is str else answer
    expect.answered(letter, name, options=options)
    expect.true(letter == right, f"{name}: this is not the right choice", likely=likely.get(letter))


def number(expect: Any, answer: Any, name: str) -> float:
    """The number that was given as an answer."""
    expect.answered(answer, name, kind="number")
    return float(np.asarray(answer))
