"""Exercise 2: the forward pass of a convolution. The oracle is torch's own, taken before it is forbidden."""

from __future__ import annotations

from typing import Any

import torch
from coursekit.checking import hidden
from torch.nn import functional as F

from autograder.checks.probe import CLOSE, SINGLE, Probe

_BASES = ("conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d")
FORBIDDEN = (
    *(f"torch.{base}" for base in _BASES),
    *(f"torch.nn.functional.{base}" for base in _BASES),
    *("torch.convolution", "torch._convolution", "torch.conv_tbc", "torch.nn.functional.fold"),
    *("torch.nn.Conv2d.forward", "torch.nn.Conv2d._conv_forward", "torch.nn.Conv1d._conv_forward"),
    *("torch.nn.Conv3d._conv_forward", "torch.nn.ConvTranspose2d.forward", "torch.nn.Fold.forward"),
    *("torch.nn.grad.conv2d_input", "torch.nn.grad.conv2d_weight"),
)

# (H, W, kh, kw, stride, padding, dilation); in 1, 5, 6, 7 rows or columns remain that no window reads
CONFIGURATIONS = (
    (7, 9, 3, 2, 2, 1, 1),
    (8, 8, 3, 3, 3, 0, 2),
    (6, 5, 5, 3, 1, 2, 1),
    (9, 11, 1, 1, 2, 0, 1),
    (10, 7, 3, 3, 2, 2, 2),
    (9, 10, 3, 3, 3, 0, 2),
    (8, 8, 3, 3, 2, 0, 1),
    (7, 10, 3, 3, 3, (2, 1), 1),
    (7, 10, 3, 2, (1, 3), (0, 2), 1),
    (8, 9, 2, 4, (3, 1), 1, (3, 1)),
    (9, 7, 3, 2, 1, (0, 3), (1, 2)),
    (6, 11, 4, 3, (2, 3), (3, 1), (2, 2)),
)


def text_of(case: tuple) -> str:
    """The case in words."""
    height, width, kh, kw, s, p, d = case
    return f"{kh} x {kw} on {height} x {width}, stride {s}, padding {p}, dilation {d}"


def drawn(generator: torch.Generator, *shape: int, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    """Normal numbers, drawn as float64."""
    return torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype)


def _compare(expect: Any, run: Probe, x, w, b, options: tuple = (), *, likely: str, close: dict = CLOSE, **how) -> None:
    want = F.conv2d(x, w, b, *options)
    seen = run(x, w, b, *options, **how)
    expect.shape(seen.value, tuple(want.shape), "the output", likely=_SIZE)
    expect.close(seen.value, want, "the output", likely=likely, **close)
    expect.dtype(seen.value, x.dtype, "the output", likely="new tensors take the dtype of x: x.new_zeros(...)")


_SIZE = "floor((n + 2p - d (k - 1) - 1) / s) + 1 rows and columns, each axis with its own numbers"
_VALUE = "the sum over channels and offsets (u, v) of w[o, c, u, v] * x[n, c, i + u, j + v], plus b[o] once"


def conv_values(conv2d_forward):
    """Hidden test of the values: kernels, channels, biases, dtypes, with stride 1 and no dilation."""
    with hidden("Exercise 2: the values of conv2d_forward") as expect:
        run = Probe(expect, conv2d_forward, "x w b stride padding dilation", forbidden=FORBIDDEN)
        generator = torch.Generator().manual_seed(21)
        for n, c, o, height, width, kh, kw, p in (
            (2, 3, 5, 7, 10, 3, 2, 0),
            (2, 3, 5, 7, 10, 3, 2, 1),
            (1, 1, 1, 4, 6, 2, 3, 0),
            (3, 1, 4, 6, 5, 5, 3, 2),
            (1, 4, 2, 3, 5, 3, 5, 0),
            (2, 5, 3, 6, 4, 1, 1, 0),
        ):
            x, w = drawn(generator, n, c, height, width), drawn(generator, o, c, kh, kw)
            for b, given in ((None, "no bias"), (drawn(generator, o), "a bias")):
                expect.case(f"x {tuple(x.shape)}, w {tuple(w.shape)}, padding {p}, {given}, float64")
                _compare(expect, run, x, w, b, (1, p, 1), likely=_VALUE)
        expect.case("as many filters as output columns, so that a wrong bias broadcasts in silence")
        x, w, b = drawn(generator, 2, 3, 6, 7), drawn(generator, 5, 3, 2, 3), drawn(generator, 5)
        hint = "b [O] belongs to axis 1 of y: give it the shape [1, O, 1, 1]"
        _compare(expect, run, x, w, b, likely=hint)
        expect.case("as many filters as output rows and columns")
        x, w, b = drawn(generator, 2, 3, 5, 6), drawn(generator, 4, 3, 2, 3), drawn(generator, 4)
        _compare(expect, run, x, w, b, likely=hint)
        expect.case("float32")
        x, w, b = (drawn(generator, *s, dtype=torch.float32) for s in ((2, 3, 8, 6), (4, 3, 3, 2), (4,)))
        _compare(expect, run, x, w, b, (1, 1, 1), likely=_VALUE, close=SINGLE)
        expect.case("numbers of the order 1e-3 that need float64: 1 + 1e-12")
        x, w = torch.full((1, 1, 2, 3), 1 + 1e-12, dtype=torch.float64), torch.ones(1, 1, 1, 1, dtype=torch.float64)
        got = run(x, w, None).value
        hint = "float64 in, float64 out: do not compute in float32"
        expect.close(got, x, "the output", rtol=0, atol=1e-14, likely=hint)
        expect.case("inputs whose numbers do not lie side by side in memory")
        x, w, b = drawn(generator, 2, 3, 6, 7), drawn(generator, 5, 3, 2, 3), drawn(generator, 5)
        _compare(expect, run, x, w, b, (1, 1, 1), likely=_VALUE, apart=True)


def conv_options(conv2d_forward):
    """Hidden test of stride, padding and dilation, as numbers and as pairs."""
    likely = "output (i, j) reads row i * s_h + u * d_h and column j * s_w + v * d_w of the padded input"
    with hidden("Exercise 2: stride, padding, dilation") as expect:
        run = Probe(expect, conv2d_forward, "x w b stride padding dilation", forbidden=FORBIDDEN)
        generator = torch.Generator().manual_seed(22)
        for i, case in enumerate(CONFIGURATIONS):
            height, width, kh, kw, *options = case
            expect.case(text_of(case))
            o = 4 + i % 2
            x, w, b = drawn(generator, 2, 3, height, width), drawn(generator, o, 3, kh, kw), drawn(generator, o)
            _compare(expect, run, x, w, b, tuple(options), likely=likely)
        expect.case("stride, padding and dilation given by name")
        x, w = drawn(generator, 2, 3, 9, 8), drawn(generator, 4, 3, 3, 2)
        for options in ({"stride": 2}, {"padding": (2, 1)}, {"dilation": (1, 3)}):
            got, want = run(x, w, **options).value, F.conv2d(x, w, None, **options)
            expect.close(got, want, f"the output with {options}", likely=likely, **CLOSE)
        expect.case("a kernel that just fits, with padding")
        x, w = drawn(generator, 1, 2, 3, 2), drawn(generator, 3, 2, 3, 4)
        _compare(expect, run, x, w, None, (5, (1, 1), (2, 1)), likely=likely)


def conv_use(conv2d_forward):
    """Hidden test of gradients, refusals, batches, equivariance and time."""
    with hidden("Exercise 2: in a network") as expect:
        run = Probe(expect, conv2d_forward, "x w b stride padding dilation", forbidden=FORBIDDEN)
        generator = torch.Generator().manual_seed(23)
        for options in ((1, 0, 1), (2, 1, 1), ((1, 2), (2, 0), (2, 1))):
            expect.case(f"stride, padding, dilation = {options}")
            x, w, b = drawn(generator, 2, 3, 7, 6), drawn(generator, 4, 3, 3, 2), drawn(generator, 4)
            leaves = [t.clone().requires_grad_() for t in (x, w, b)]
            y = F.conv2d(*leaves, *options)
            upstream = drawn(generator, *y.shape)
            want = torch.autograd.grad(y, leaves, upstream)
            seen = run(x, w, b, *options, wrt=(0, 1, 2), upstream=upstream)
            expect.close(seen.value, y, "the output", likely=_VALUE, **CLOSE)
            for name, got, right in zip("xwb", seen.grads, want, strict=True):
                expect.close(got, right, f"the gradient in {name}, by autograd through your code", **CLOSE)

        expect.case("a batch of three pictures, and each alone")
        x, w = drawn(generator, 3, 2, 6, 5), drawn(generator, 4, 2, 3, 3)
        whole = run(x, w, None).value
        for i in range(3):
            expect.close(run(x[i : i + 1], w, None).value, whole[i : i + 1], f"picture {i}", **CLOSE)
        for s in (1, 2, 3):
            expect.case(f"a picture shifted by {s} pixels down and to the right, stride {s}")
            x, w = drawn(generator, 1, 2, 13, 12), drawn(generator, 3, 2, 3, 2)
            before, after = run(x, w, None, s).value, run(x.roll((s, s), (2, 3)), w, None, s).value
            what = "the output inside, which must be shifted by one place"
            expect.close(after[:, :, 1:, 1:], before[:, :, :-1, :-1], what, **CLOSE)

        _refusals(expect, run)
        expect.case("x (32, 9, 14, 14), w (16, 9, 5, 5), padding 2: a step of training must not take seconds")
        x, w = (drawn(generator, *s, dtype=torch.float32) for s in ((32, 9, 14, 14), (16, 9, 5, 5)))
        quick = Probe(expect, conv2d_forward, "x w b stride padding dilation", forbidden=FORBIDDEN, time_limit=2.0)
        expect.close(quick(x, w, None, 1, 2).value, F.conv2d(x, w, padding=2), "the output", rtol=1e-3, atol=1e-3)


def _refusals(expect: Any, run: Probe) -> None:
    zeros = torch.zeros
    for case, x, w, b, options in (
        ("3 channels in x, 2 in w", zeros(2, 3, 5, 6), zeros(4, 2, 3, 3), None, ()),
        ("3 channels in x, 1 in w, which would broadcast", zeros(2, 3, 5, 6), zeros(4, 1, 3, 3), None, ()),
        ("1 channel in x, 3 in w", zeros(2, 1, 5, 6), zeros(4, 3, 3, 3), None, ()),
        ("a bias of length 3 for 4 filters", zeros(2, 3, 5, 6), zeros(4, 3, 3, 3), zeros(3), ()),
        ("a bias of length 1 for 4 filters", zeros(2, 3, 5, 6), zeros(4, 3, 3, 3), zeros(1), ()),
        ("a bias of shape (4, 1)", zeros(2, 3, 5, 6), zeros(4, 3, 3, 3), zeros(4, 1), ()),
        ("x with three axes", zeros(3, 5, 6), zeros(4, 3, 3, 3), None, ()),
        ("x with five axes", zeros(2, 3, 5, 6, 1), zeros(4, 3, 3, 3), None, ()),
        ("w with three axes", zeros(2, 3, 5, 6), zeros(3, 3, 3), None, ()),
        ("w with five axes", zeros(2, 3, 5, 6), zeros(4, 3, 3, 3, 1), None, ()),
        ("a kernel of 6 rows on 5", zeros(2, 3, 5, 6), zeros(4, 3, 6, 3), None, ()),
        ("a kernel of 7 columns on 6", zeros(2, 3, 5, 6), zeros(4, 3, 3, 7), None, ()),
        ("a kernel of 8 rows on 5 with padding 1", zeros(2, 3, 5, 6), zeros(4, 3, 8, 3), None, (1, 1)),
        ("dilation 3: a reach of 7 rows on 5", zeros(2, 3, 5, 9), zeros(4, 3, 3, 3), None, (1, 0, 3)),
    ):
        expect.case(case)
        run.refuses("this input is refused", x, w, b, *options)
