"""The conceptual questions: answers held in variables."""

from __future__ import annotations

import math

import numpy as np
from coursekit.checking import hidden

from autograder.checks.answers import choice, number


def question_first_loss(answer):
    """Question 1: an untrained network of ten classes starts with a cross-entropy of 23."""
    with hidden("Question 1") as expect:
        likely = {
            "a": "which loss has a network that gives every one of ten classes the same probability?",
            "c": "no step has been taken yet: the learning rate has had no influence",
            "d": "one-hot rows and class numbers give the same loss",
        }
        choice(expect, answer, "answer_first_loss", "abcd", "b", likely)


def question_stable_step(answer):
    """Question 2: largest stable step and best rate for the eigenvalues 0.5 and 50."""
    with hidden("Question 2") as expect:
        expect.answered(answer, "answer_stable_step", kind="numbers")
        expect.shape(answer, (2,), "answer_stable_step, two numbers (largest stable step, best rate)")
        step, rate = np.asarray(answer, dtype=float)
        low, high = 0.5, 50.0
        if math.isclose(step, 2 / (low + high), rel_tol=1e-3):
            hint = "that is the BEST step; the largest stable one is larger"
        elif math.isclose(step, (high - low) / (high + low), rel_tol=1e-3):
            hint = "the first number is the step, the second the rate"
        else:
            hint = "|1 - lr * eigenvalue| < 1 for every eigenvalue: which one decides?"
        expect.close(step, 2 / high, "the largest stable step", rtol=1e-3, atol=0, likely=hint)
        if math.isclose(rate, 0.96, rel_tol=1e-3):
            hint = "not at the largest stable step: at the best one, halfway between the two extremes"
        else:
            hint = "at the best step the two outermost eigenvalues shrink equally fast"
        expect.close(rate, (high - low) / (high + low), "the best rate", rtol=1e-3, atol=0, likely=hint)


def question_limit_velocity(answer):
    """Question 3: limit of the velocity for momentum 0.9, lr 0.01 and the constant gradient 2."""
    with hidden("Question 3") as expect:
        came = abs(number(expect, answer, "answer_limit_velocity"))
        hint = "in the limit the velocity does not change any more: solve v = 0.9 v + lr * g"
        if math.isclose(came, 0.02, rel_tol=1e-3):
            hint = "that is the first step: later steps add up to more"
        elif math.isclose(came, 0.1, rel_tol=1e-3):
            hint = "that is for a gradient of 1"
        elif math.isclose(came, 0.02 / 0.9, rel_tol=1e-3):
            hint = "the geometric series 1 + a + a^2 + ... is 1 / (1 - a), not 1 / a"
        expect.close(came, 0.2, "the limit of the velocity", rtol=1e-3, atol=0, likely=hint)


def question_adam_first_step(answer):
    """Question 4: the first step of Adam without bias correction, in units of the learning rate."""
    with hidden("Question 4") as expect:
        came = abs(number(expect, answer, "answer_adam_first_step"))
        hint = "m and v start at 0: what are they after one gradient of 1, and what is m / sqrt(v)?"
        if math.isclose(came, 1.0, rel_tol=1e-3):
            hint = "that is the step WITH bias correction"
        elif math.isclose(came, 100.0, rel_tol=1e-3):
            hint = "divide by the root of v"
        elif math.isclose(came, 1 / math.sqrt(10), rel_tol=2e-3):
            hint = "m / sqrt(v), not sqrt(v) / m"
        expect.close(came, 0.1 / math.sqrt(0.001), "the first step", rtol=1e-3, atol=0, likely=hint)


def question_clipping(answer):
    """Question 5: which clipping keeps the direction of (3, -0.5)."""
    with hidden("Question 5") as expect:
        likely = {"value": "clip every entry of (3, -0.5) at 1 and draw both arrows"}
        choice(expect, answer, "answer_clipping", ("value", "norm"), "norm", likely)


def question_rmsprop_zero(answer):
    """Question 6: RMSProp with a decay of 0."""
    with hidden("Question 6") as expect:
        likely = {
            "a": "AdaGrad adds up all squares; with beta = 0 nothing of the past is left",
            "c": "with beta = 0 the root of v is |g|: what is g / |g|?",
            "d": "there is no average of the gradient itself in RMSProp",
        }
        choice(expect, answer, "answer_rmsprop_zero", "abcd", "b", likely)
