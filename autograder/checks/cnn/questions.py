"""The conceptual questions: answers held in variables."""

from __future__ import annotations

from coursekit.checking import hidden

from autograder.checks.answers import choice, number


def _number(expect, answer, name: str, right: float, likely: dict[float, str], otherwise: str) -> None:
    came = number(expect, answer, name)
    expect.close(came, right, name, rtol=1e-6, likely=likely.get(round(came, 6), otherwise))


def question_perm(answer):
    """Question 1: an MLP on permuted digits."""
    with hidden("Question 1") as expect:
        likely = {
            "a": "no information is lost: permute the columns of the first weights in the same way",
            "c": "the columns of a random first layer have no order: is the permuted problem any harder?",
            "d": "a permutation adds no information either",
        }
        choice(expect, answer, "answer_perm", "abcd", "b", likely)


def question_conv_weights(answer):
    """Question 2: weights of a one-dimensional convolution."""
    with hidden("Question 2") as expect:
        likely = {
            104: "biases are not counted here",
            96_000: "weights are shared by all positions",
            12: "that is one filter; there are 8 of them",
            24: "each filter has weights for each of the 4 input channels",
        }
        hint = "kernel size times input channels times output channels, at any length"
        _number(expect, answer, "answer_conv_weights", 96, likely, hint)


def question_flip(answer):
    """Question 3: the first output of a convolutional layer."""
    with hidden("Question 3") as expect:
        likely = {
            1: "that is the convolution of mathematics: the layer does not turn the kernel around",
            -2: "that is the second output; the window starts at the first number",
            0: "with a zero in front? There is no padding here",
        }
        hint = "lay the kernel over the first three numbers, multiply, add"
        _number(expect, answer, "answer_flip", -1, likely, hint)


def question_equiv(answer):
    """Question 4: which statement on equivariance is true."""
    with hidden("Question 4") as expect:
        likely = {
            "a": "the map moves along with the input: is that the same map?",
            "b": "what does a layer with stride 2 see of a picture shifted by one pixel?",
            "d": "shift the input by one pixel: do the pooling windows move along?",
        }
        choice(expect, answer, "answer_equiv", "abcd", "c", likely)


def question_dilated(answer):
    """Question 5: doubling layers for one second of sound."""
    with hidden("Question 5") as expect:
        likely = {
            13: "13 layers see 8,192 steps",
            15: "one less is enough",
            15_999: "that is without dilation",
            16: "that is for 44,100 samples a second",
        }
        hint = "n layers see 1 + (1 + 2 + 4 + ...) steps: a power of two"
        _number(expect, answer, "answer_dilated", 14, likely, hint)


def question_transfer(answer):
    """Question 6: what is trained first in transfer learning."""
    with hidden("Question 6") as expect:
        likely = {
            "a": "a new head sends large random gradients at first: what do they do to good features?",
            "c": "the first layers see edges and colours, which the new pictures have as well",
        }
        choice(expect, answer, "answer_transfer", "abc", "b", likely)
