"""The conceptual questions: answers held in variables."""

from __future__ import annotations

import numpy as np
from coursekit.checking import hidden


def question_dz(answer):
    """Question 1: the gradient of z in ((x + y) z)^2 at (1, 2, -4)."""
    with hidden("Question 1") as expect:
        expect.answered(answer, "answer_dz", kind="number")
        s, z = 1 + 2, -4
        hint = "follow the edge from q back to z: 2q times the other input of the product gate"
        likely = {
            -2 * s * s * z: "look at the sign: q itself is negative",
            2 * s * z * z: "that is the gradient of s: z receives the OTHER input of the product gate",
            s * s * z: "the square node's derivative is 2q, not q",
            2 * s * z: "that is the gradient of q: one more edge leads to z",
        }.get(float(np.asarray(answer)), hint)
        expect.close(answer, 2 * s * s * z, "the gradient of z at (1, 2, -4)", likely=likely)


def question_passes(answer):
    """Question 2: passes for the Jacobian of a map from 1000 to 3 numbers, forward and reverse."""
    with hidden("Question 2") as expect:
        expect.answered(answer, "answer_passes", kind="numbers")
        expect.shape(answer, (2,), "answer_passes, two numbers (forward, reverse)")
        came, right = np.asarray(answer, dtype=float), (1000, 3)
        swapped = np.array_equal(came, right[::-1])
        hint = (
            "the first number is for forward mode, the second for reverse mode"
            if swapped
            else ("forward mode moves one input at a time, reverse mode asks one output at a time")
        )
        expect.equal(answer, right, "the numbers of passes", likely=hint)


def question_sigmoid_bound(answer):
    """Question 3: upper bound of the product of ten sigmoid derivatives."""
    with hidden("Question 3") as expect:
        expect.answered(answer, "answer_sigmoid_bound", kind="number")
        # one digit of accuracy is enough: 9.5e-7 and 9.54e-7 are right, 1e-6 is not
        likely = (
            "a single derivative s (1 - s) has a largest value; along a path the ten derivatives multiply"
        )
        expect.close(answer, 0.25**10, "the bound for ten layers", rtol=0.02, atol=0, likely=likely)


def _choice(expect, answer, name: str, letters: str, right: str, likely: dict[str, str]) -> None:
    expect.answered(answer, name, options=letters)
    expect.true(answer == right, f"{name}: this is not the right choice", likely=likely.get(answer))


def question_zigzag(answer):
    """Question 4: a neuron whose inputs are all positive."""
    with hidden("Question 4") as expect:
        likely = {
            "a": "dL/dw_i is upstream times x_i: which factor can change its sign from one i to the next?",
            "c": "dL/dw_i is upstream times x_i, and neither need be zero",
            "d": "write out dL/dw_i = upstream times x_i for positive x_i: can such numbers cancel?",
        }
        _choice(expect, answer, "answer_zigzag", "abcd", "b", likely)


def question_double(answer):
    """Question 5: y = x + x by the add-gate rule."""
    with hidden("Question 5") as expect:
        likely = {
            "a": "x is connected by two edges: what happens to the gradients of a node that is used twice?",
            "c": "an add gate does not share its upstream gradient, it hands all of it to each input",
        }
        _choice(expect, answer, "answer_double", "abc", "b", likely)


def question_units(answer):
    """Question 6: units of a shallow network with as many pieces as the 10-layer tent network."""
    with hidden("Question 6") as expect:
        expect.answered(answer, "answer_units", kind="number")
        pieces = 2**10
        likely = {
            pieces: "that is the number of pieces: how many knots separate them?",
            pieces + 1: "k knots separate k + 1 pieces, not k - 1",
            20: "that is the size of the tent network itself; a shallow one gains one piece per unit",
        }.get(float(np.asarray(answer)), "count the pieces of the tent network, then the knots between them")
        expect.equal(answer, pieces - 1, "the number of hidden units", likely=likely)
