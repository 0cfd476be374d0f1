"""Hidden tests of chapter 00: one function per test cell, called with the student's objects."""

from __future__ import annotations

import numpy as np
import torch
from coursekit.checking import hidden

from autograder.testing import observe


def mean_square(mean_square):
    """Hidden test of `mean_square(x)`: shapes, number types, and that x is left alone."""
    rng = np.random.default_rng(11)
    with hidden("Exercise 1: mean square") as expect:
        expect.case("x of type float32 and shape (50, 3), values near 3000")
        x = (rng.normal(size=(50, 3)) + 3000).astype(np.float32)
        want = sum(float(v) ** 2 for v in x.ravel()) / x.size
        hint = "float32 keeps 7 digits: turn x into float64 before squaring"
        expect.close(observe(mean_square, x).value, want, "the mean square", rtol=1e-12, likely=hint)

        for shape in ((7,), (3, 5), (4, 2, 3), ()):
            expect.case(f"x of shape {shape}")
            x = rng.normal(size=shape) - 2.0
            seen = observe(mean_square, x)
            expect.shape(seen.value, (), "the number of results")
            # the oracle is a scalar product; a few roundings on numbers of order 10
            expect.close(seen.value, float(x.ravel() @ x.ravel()) / x.size, "the mean square", rtol=1e-12)
            expect.equal(seen.args[0], x, "x after the call", likely="do not write into x: square into a new array")

        for dtype, low, high in ((np.uint8, 100, 256), (np.int16, -300, 300), (np.int64, -9, 9)):
            expect.case(f"x of type {np.dtype(dtype).name} and shape (4, 3)")
            x = rng.integers(low, high, size=(4, 3)).astype(dtype)
            want = sum(int(v) ** 2 for v in x.ravel()) / x.size
            hint = "turn x into float64 before squaring: small integer types overflow without a word"
            expect.close(observe(mean_square, x).value, want, "the mean square", rtol=1e-12, likely=hint)


def accuracy(accuracy):
    """Hidden test of `accuracy(scores, labels)` against a count by hand."""
    rng = np.random.default_rng(12)
    with hidden("Exercise 2: accuracy") as expect:
        for n, classes in ((5, 3), (3, 5), (40, 2), (1, 7), (31, 10)):
            for dtype in (torch.float32, torch.float64):
                expect.case(f"scores of shape ({n}, {classes}), {str(dtype).removeprefix('torch.')}")
                scores = torch.from_numpy(rng.normal(size=(n, classes)) - 5.0).to(dtype)
                labels = torch.from_numpy(rng.integers(0, classes, size=n))
                best = [max(range(classes), key=row.__getitem__) for row in scores.tolist()]
                # about half of the labels are right, so that neither 0 nor 1 comes out
                labels[: (n + 1) // 2] = torch.tensor(best[: (n + 1) // 2])
                right = sum(int(a == b) for a, b in zip(best, labels.tolist(), strict=True))
                seen = observe(accuracy, scores, labels)
                expect.shape(seen.value, (), "the number of results")
                # a share of whole numbers: even float32 has 7 digits of it
                expect.close(seen.value, right / n, "the accuracy", rtol=1e-6)
                expect.equal(seen.args[0], scores, "scores after the call", likely="do not write into scores")
                expect.equal(seen.args[1], labels, "labels after the call", likely="do not write into labels")

        expect.case("labels of type int32")
        scores = torch.tensor([[2.0, 1.0], [0.0, 3.0], [5.0, 4.0]])
        labels = torch.tensor([0, 1, 1], dtype=torch.int32)
        expect.close(accuracy(scores, labels), 2 / 3, "the accuracy", rtol=1e-6)


def question_restart(answer):
    """Hidden test of the question on restarting the kernel."""
    with hidden("Question: restarting the kernel") as expect:
        expect.answered(answer, "answer_restart", options="abcd")
        expect.true(
            answer == "b",
            "this is not what happens",
            likely="a restart ends the Python process with all of its variables and imports; the notebook, its text "
            "and its outputs, is a file and stays",
        )
