"""Exercise 4: max pooling, forward and backward. The oracle is torch's own, taken before it is forbidden."""

from __future__ import annotations

from typing import Any

import torch
from coursekit.checking import hidden
from torch.nn import functional as F

from autograder.checks.cnn.backward import AUTOGRAD
from autograder.checks.cnn.convolution import drawn
from autograder.checks.probe import Probe

FORBIDDEN = (
    *(f"torch.nn.functional.{name}" for name in ("max_pool1d", "max_pool2d", "max_pool3d", "max_unpool2d")),
    *("torch.nn.functional.max_pool2d_with_indices", "torch.nn.functional.adaptive_max_pool2d"),
    *("torch.nn.functional.adaptive_max_pool2d_with_indices", "torch.nn.functional.fractional_max_pool2d"),
    *("torch.max_pool1d", "torch.max_pool1d_with_indices", "torch.max_pool2d", "torch.max_pool3d"),
    *("torch.nn.MaxPool2d.forward", "torch.nn.AdaptiveMaxPool2d.forward", "torch.nn.MaxUnpool2d.forward"),
)
_NAMES = "x k stride padding"
_VALUES = "the largest value of each window; the padding counts as minus infinity, and the windows start s apart"
_PLACES = "row * W + column in the picture without padding; among equal values the first in reading order"

_CASES = (
    (5, 7, 2, 2, 0),
    (8, 6, 2, 2, 1),
    (7, 10, 3, 2, 0),
    (7, 10, 3, 2, 1),
    (5, 4, 3, 1, 1),
    (9, 8, 2, 3, 0),
    (6, 9, 4, 2, 2),
    (6, 9, 1, 1, 0),
    (11, 8, 5, 3, 1),
    (3, 6, 5, 2, 1),  # the window just fits, thanks to the padding
)


def _two(expect: Any, value: Any) -> list:
    expect.true(isinstance(value, (list, tuple)) and len(value) == 2, "return the pair (y, idx)")
    return list(value)


def _compare(expect: Any, run: Probe, x: torch.Tensor, k: int, s: int | None, p: int, **how) -> None:
    want, where = F.max_pool2d(x, k, s, p, return_indices=True)
    y, idx = _two(expect, run(x, k, s, p, **how).value)
    expect.shape(y, tuple(want.shape), "y", likely="floor((n + 2p - k) / s) + 1 rows and columns; stride=None means k")
    expect.equal(y, want, "y", likely=_VALUES)
    expect.dtype(y, x.dtype, "y")
    expect.equal(idx, where, "idx", likely=_PLACES)
    expect.dtype(idx, "int64", "idx")


def max_pool(max_pool2d):
    """Hidden test of the forward pass: values and places."""
    with hidden("Exercise 4: max_pool2d") as expect:
        run = Probe(expect, max_pool2d, _NAMES, forbidden=FORBIDDEN)
        generator = torch.Generator().manual_seed(41)
        for height, width, k, s, p in _CASES:
            for dtype in (torch.float64, torch.float32):
                expect.case(f"distinct values, {height} x {width}, k={k}, stride={s}, padding={p}, {dtype}")
                x = torch.randperm(2 * 3 * height * width, generator=generator).view(2, 3, height, width).to(dtype)
                _compare(expect, run, x, k, s, p)
        expect.case("stride=None, padding 1: windows side by side")
        _compare(expect, run, drawn(generator, 2, 3, 7, 8), 3, None, 1)
        expect.case("nothing but x and k")
        x = drawn(generator, 1, 2, 6, 9)
        y, idx = _two(expect, run(x, 3).value)
        want, where = F.max_pool2d(x, 3, return_indices=True)
        expect.equal(y, want, "y", likely="stride=None means k, and padding is 0")
        expect.equal(idx, where, "idx", likely=_PLACES)
        expect.case("negative numbers only, k=3, stride=2, padding=1")
        _compare(expect, run, -1 - drawn(generator, 2, 3, 6, 5).abs(), 3, 2, 1)
        expect.case("very large negative numbers, k=2, stride=1, padding=1")
        _compare(expect, run, -1e30 * (1 + drawn(generator, 1, 2, 4, 5).abs()), 2, 1, 1)
        for k, s, p in ((2, 2, 0), (3, 2, 1), (3, 1, 0)):
            expect.case(f"equal values everywhere, k={k}, stride={s}, padding={p}")
            _compare(expect, run, torch.full((2, 3, 6, 7), -2.5), k, s, p)
            expect.case(f"many equal values, k={k}, stride={s}, padding={p}")
            few = torch.randint(0, 3, (2, 3, 6, 7), generator=generator).double()
            _compare(expect, run, few, k, s, p)
        expect.case("numbers that do not lie side by side in memory")
        _compare(expect, run, drawn(generator, 2, 3, 7, 5), 3, 2, 1, apart=True)
        expect.case("a shift by two pixels, k=2")
        x = drawn(generator, 1, 2, 8, 6)
        before, after = (_two(expect, run(t, 2).value)[0] for t in (x, x.roll((2, 2), (2, 3))))
        expect.equal(after[:, :, 1:, 1:], before[:, :, :-1, :-1], "y inside, which must be shifted by one place")
        small = torch.zeros(1, 1, 4, 3)
        for case, x, k, s, p in (
            ("padding 2 with k=3", torch.zeros(1, 1, 6, 6), 3, 1, 2),
            ("padding 1 with k=1", torch.zeros(1, 1, 6, 6), 1, 1, 1),
            ("padding 3 with k=4", torch.zeros(1, 1, 6, 6), 4, 2, 3),
            ("k=4 on 3 columns", small, 4, 1, 0),
            ("k=4 on 3 rows", small.transpose(2, 3), 4, 1, 0),
            ("k=7 on 4 x 3 with padding 1", small, 7, None, 1),
            ("k=5 on 2 rows with padding 1", torch.zeros(1, 1, 2, 6), 5, 1, 1),
        ):
            expect.case(case)
            run.refuses("this input is refused", x, k, s, p)


def max_pool_backward(max_pool2d_backward):
    """Hidden test of the backward pass."""
    adds = "every output sends its gradient to the one place in idx, and what meets there is added up"
    with hidden("Exercise 4: max_pool2d_backward") as expect:
        run = Probe(expect, max_pool2d_backward, "grad_y idx x_shape", forbidden=FORBIDDEN + AUTOGRAD)
        generator = torch.Generator().manual_seed(42)
        for height, width, k, s, p in _CASES:
            for dtype in (torch.float64, torch.float32):
                expect.case(f"{height} x {width}, k={k}, stride={s}, padding={p}, {dtype}")
                x = drawn(generator, 2, 3, height, width, dtype=dtype).requires_grad_()
                y, idx = F.max_pool2d(x, k, s, p, return_indices=True)
                grad_y = drawn(generator, *y.shape, dtype=dtype)
                (want,) = torch.autograd.grad(y, x, grad_y)
                got = run(grad_y, idx, tuple(x.shape)).value
                expect.shape(got, tuple(x.shape), "the gradient in x")
                close = {"rtol": 1e-12, "atol": 1e-12} if dtype == torch.float64 else {"rtol": 1e-5, "atol": 1e-6}
                expect.close(got, want, "the gradient in x", likely=adds, **close)
                expect.dtype(got, dtype, "the gradient in x")
        expect.case("equal values everywhere, k=3, stride=1: one unit of gradient for each window")
        _, idx = F.max_pool2d(torch.ones(1, 2, 5, 4), 3, 1, return_indices=True)
        got = run(torch.ones(1, 2, 3, 2), idx, (1, 2, 5, 4)).value
        expect.equal(got[0, 1, :3, :2], torch.ones(3, 2), "the gradient at the first place of each window", likely=adds)
        expect.close(got.sum(), 12.0, "the sum of the gradient", likely=adds)
        expect.case("all windows won by one pixel, numbers that do not lie side by side in memory")
        idx = torch.full((2, 3, 2, 2), 7)
        grad_y = drawn(generator, 2, 3, 2, 2)
        got = run(grad_y, idx, (2, 3, 3, 4), apart=True).value
        expect.close(got[:, :, 1, 3], grad_y.sum((2, 3)), "the gradient of that pixel", likely=adds)
        expect.close(got.sum(), grad_y.sum(), "the sum of the gradient", likely=adds)
