"""Exercise 3: the backward pass of a convolution and the transposed convolution. The oracle is autograd."""

from __future__ import annotations

from typing import Any

import torch
from coursekit.checking import hidden
from torch.nn import functional as F

from autograder.checks.cnn.convolution import CONFIGURATIONS, FORBIDDEN, drawn, text_of
from autograder.checks.probe import CLOSE, SINGLE, Probe

AUTOGRAD = (
    *("torch.autograd.grad", "torch.autograd.backward", "torch.Tensor.backward"),
    *("torch.func.vjp", "torch.func.grad", "torch.func.jacrev", "torch.autograd.functional.vjp"),
    *("torch.autograd.functional.jacobian", "torch.autograd.functional.vhp", "torch.func.linearize"),
)
_HERE = FORBIDDEN + AUTOGRAD


def _case(generator: torch.Generator, i: int, case: tuple, dtype: torch.dtype = torch.float64) -> tuple:
    """x, w, options, gradient in y, and the right gradients, for one configuration."""
    height, width, kh, kw, *options = case
    o = 4 + i % 2
    x, w = drawn(generator, 2, 3, height, width, dtype=dtype), drawn(generator, o, 3, kh, kw, dtype=dtype)
    leaves = [t.clone().requires_grad_() for t in (x, w, torch.zeros(o, dtype=dtype))]
    y = F.conv2d(*leaves, *options)
    grad_y = drawn(generator, *y.shape, dtype=dtype)
    return x, w, tuple(options), grad_y, torch.autograd.grad(y, leaves, grad_y)


def _three(expect: Any, value: Any) -> list:
    expect.true(isinstance(value, (list, tuple)) and len(value) == 3, "return the triple (grad_x, grad_w, grad_b)")
    return list(value)


def conv_backward_weights(conv2d_backward):
    """Hidden test of the gradients in w and b."""
    sums = "a sum over pictures, rows and columns of grad_y times the padded x that this weight met; no mean"
    with hidden("Exercise 3: gradients in w and b") as expect:
        run = Probe(expect, conv2d_backward, "grad_y x w stride padding dilation", forbidden=_HERE)
        generator = torch.Generator().manual_seed(31)
        for i, case in enumerate(CONFIGURATIONS):
            expect.case(text_of(case) + ", float64")
            x, w, options, grad_y, (_, grad_w, grad_b) = _case(generator, i, case)
            _, got_w, got_b = _three(expect, run(grad_y, x, w, *options).value)
            expect.close(got_w, grad_w, "the gradient in w", likely=sums, **CLOSE)
            expect.close(got_b, grad_b, "the gradient in b", likely="the sum of grad_y over axes 0, 2, 3", **CLOSE)
        expect.case("float32, numbers that do not lie side by side in memory")
        x, w, options, grad_y, (_, grad_w, grad_b) = _case(generator, 0, CONFIGURATIONS[0], torch.float32)
        _, got_w, got_b = _three(expect, run(grad_y, x, w, *options, apart=True).value)
        for name, got, want in (("w", got_w, grad_w), ("b", got_b, grad_b)):
            expect.close(got, want, f"the gradient in {name}", likely=sums, **SINGLE)
            expect.dtype(got, torch.float32, f"the gradient in {name}")
        expect.case("a batch repeated three times")
        x, w, options, grad_y, (_, grad_w, grad_b) = _case(generator, 2, CONFIGURATIONS[2])
        _, got_w, got_b = _three(expect, run(grad_y.repeat(3, 1, 1, 1), x.repeat(3, 1, 1, 1), w, *options).value)
        expect.close(got_w, 3 * grad_w, "the gradient in w, three times as large", likely=sums, **CLOSE)
        expect.close(got_b, 3 * grad_b, "the gradient in b, three times as large", likely=sums, **CLOSE)
        expect.case("one picture, one channel, one filter, options left out")
        x, w = drawn(generator, 1, 1, 5, 4), drawn(generator, 1, 1, 3, 2)
        grad_y = drawn(generator, 1, 1, 3, 3)
        _, got_w, got_b = _three(expect, run(grad_y, x, w).value)
        want = F.conv2d(x, grad_y)  # the gradient in a single kernel is a correlation with grad_y
        expect.close(got_w, want, "the gradient in w", likely=sums, **CLOSE)
        expect.close(got_b, grad_y.sum().view(1), "the gradient in b", likely=sums, **CLOSE)


def conv_backward_inputs(conv2d_backward):
    """Hidden test of the gradient in x."""
    scatter = "each g[n, o, i, j] w[o, c, u, v] is ADDED at row i s + u d, column j s + v d of the padded picture"
    with hidden("Exercise 3: the gradient in x") as expect:
        run = Probe(expect, conv2d_backward, "grad_y x w stride padding dilation", forbidden=_HERE)
        generator = torch.Generator().manual_seed(32)
        for i, case in enumerate(CONFIGURATIONS):
            expect.case(text_of(case) + ", float64")
            x, w, options, grad_y, (grad_x, _, _) = _case(generator, i, case)
            got = _three(expect, run(grad_y, x, w, *options).value)[0]
            hint = "the shape of x, also where rows remain that no window reads; padding is cut off on all sides"
            expect.shape(got, tuple(x.shape), "the gradient in x", likely=hint)
            expect.close(got, grad_x, "the gradient in x", likely=scatter, **CLOSE)
        expect.case("float32, numbers that do not lie side by side in memory")
        x, w, options, grad_y, (grad_x, _, _) = _case(generator, 0, CONFIGURATIONS[0], torch.float32)
        got = _three(expect, run(grad_y, x, w, *options, apart=True).value)[0]
        expect.close(got, grad_x, "the gradient in x", likely=scatter, **SINGLE)
        expect.dtype(got, torch.float32, "the gradient in x")
        expect.case("each picture of a batch alone")
        x, w, options, grad_y, (grad_x, _, _) = _case(generator, 2, CONFIGURATIONS[2])
        for n in range(2):
            got = _three(expect, run(grad_y[n : n + 1], x[n : n + 1], w, *options).value)[0]
            expect.close(got, grad_x[n : n + 1], f"the gradient in picture {n}", likely=scatter, **CLOSE)
        expect.case("options left out")
        x, w = drawn(generator, 2, 3, 5, 6), drawn(generator, 4, 3, 2, 3)
        grad_y = drawn(generator, 2, 4, 4, 4)
        got = _three(expect, run(grad_y, x, w).value)[0]
        expect.close(got, F.conv_transpose2d(grad_y, w), "the gradient in x", likely=scatter, **CLOSE)


_STAMP = "each z[n, o, i, j] adds a copy of w[o] that starts at row i * stride, column j * stride"


def conv_transpose(conv_transpose2d):
    """Hidden test of the transposed convolution: against torch's, the adjoint identity, refusals."""
    with hidden("Exercise 3: conv_transpose2d") as expect:
        run = Probe(expect, conv_transpose2d, "z w stride padding output_padding", forbidden=_HERE)
        generator = torch.Generator().manual_seed(33)
        for o, c, h, width, kh, kw, s, p, extra in (
            (4, 3, 3, 5, 2, 3, 1, 0, 0),
            (4, 3, 3, 5, 3, 2, 1, 1, 0),
            (2, 5, 4, 3, 3, 4, 2, 0, 0),
            (2, 5, 4, 3, 3, 4, 2, 1, 1),
            (3, 2, 3, 4, 2, 2, 2, 0, 1),
            (3, 2, 3, 4, 5, 3, 3, 2, 0),
            (3, 2, 3, 4, 5, 3, 3, 1, 2),
            (3, 4, 5, 2, 1, 2, 3, 0, 1),
            (1, 1, 1, 1, 2, 3, 1, 0, 0),
            (2, 3, 3, 4, 3, 3, 1, 2, 0),  # a single row is left
        ):
            shapes = f"z {[2, o, h, width]}, w {[o, c, kh, kw]}"
            expect.case(f"{shapes}, stride {s}, padding {p}, output_padding {extra}")
            z, w = drawn(generator, 2, o, h, width), drawn(generator, o, c, kh, kw)
            want = F.conv_transpose2d(z, w, None, s, p, extra)
            got = run(z, w, s, p, extra).value
            size = "H = (h - 1) stride - 2 padding + kh + output_padding, and W likewise"
            expect.shape(got, tuple(want.shape), "the output", likely=size)
            expect.close(got, want, "the output", likely=_STAMP, **CLOSE)
        expect.case("by name: padding=1, output_padding=1, stride=2")
        z, w = drawn(generator, 2, 4, 3, 5), drawn(generator, 4, 3, 3, 2)
        got = run(z, w, stride=2, padding=1, output_padding=1).value
        expect.close(got, F.conv_transpose2d(z, w, None, 2, 1, 1), "the output", likely=_STAMP, **CLOSE)
        for i, (s, p) in enumerate(((1, 0), (2, 1), (3, 2), (2, 0))):
            expect.case(f"the adjoint identity <conv(x), z> = <x, convT(z)>, stride {s}, padding {p}")
            w, z = drawn(generator, 4, 3, 3, 5), drawn(generator, 2, 4, 3 + i, 4)
            back = run(z, w, s, p).value
            x = drawn(generator, *back.shape)
            left, right = (F.conv2d(x, w, None, s, p) * z).sum(), (x * back).sum()
            expect.close(right, left, "the second product", rtol=1e-9, atol=1e-9, likely=_STAMP)
        expect.case("float32, numbers that do not lie side by side in memory")
        z, w = drawn(generator, 2, 4, 3, 5, dtype=torch.float32), drawn(generator, 4, 3, 3, 2, dtype=torch.float32)
        got = run(z, w, 2, 1, apart=True).value
        expect.close(got, F.conv_transpose2d(z, w, None, 2, 1), "the output", likely=_STAMP, **SINGLE)
        expect.dtype(got, torch.float32, "the output")
        ones = torch.ones
        for case, z, w, options in (
            ("3 channels in z, 4 in w", ones(2, 3, 4, 4), ones(4, 3, 2, 2), ()),
            ("4 channels in z, 1 in w, which would broadcast", ones(2, 4, 4, 4), ones(1, 3, 2, 2), ()),
            ("z with three axes", ones(4, 4, 4), ones(4, 3, 2, 2), ()),
            ("z with five axes", ones(2, 4, 4, 4, 1), ones(4, 3, 2, 2), ()),
            ("w with three axes", ones(2, 4, 4, 4), ones(4, 3, 2), ()),
            ("output_padding 1 at stride 1", ones(2, 4, 4, 4), ones(4, 3, 2, 2), (1, 0, 1)),
            ("output_padding 3 at stride 2", ones(2, 4, 4, 4), ones(4, 3, 2, 2), (2, 0, 3)),
            ("padding that takes all rows away", ones(2, 4, 1, 4), ones(4, 3, 2, 2), (1, 1)),
            ("padding that takes all columns away", ones(2, 4, 4, 1), ones(4, 3, 2, 2), (1, 1)),
            ("padding that takes more than everything", ones(2, 4, 2, 2), ones(4, 3, 2, 2), (1, 2)),
        ):
            expect.case(case)
            run.refuses("this input is refused", z, w, *options)
