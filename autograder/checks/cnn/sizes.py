"""Exercise 1: sizes, parameters, receptive fields. The oracles are torch's own layers and gradients."""

from __future__ import annotations

from itertools import pairwise, product
from typing import Any

import torch
from coursekit.checking import hidden
from torch import nn
from torch.nn import functional as F

from autograder.testing import observe, ship

# Runs beside the student's code: hundreds of calls, one crossing.
_TABLE = """
    def table(fn, calls):
        found = []
        for args, kwargs in calls:
            try:
                value = fn(*args, **kwargs)
            except ValueError:
                found.append(["ValueError", None])
                continue
            kind = type(value).__name__
            if isinstance(value, tuple):
                kind = ", ".join(type(v).__name__ for v in value)
            found.append([kind, value])
        return found
"""


class _Table:
    """A function of the student's on many arguments."""

    def __init__(self, expect: Any, fn: Any):
        self.expect, self.fn, self._run = expect, fn, ship(_TABLE, "table")

    def __call__(self, calls: list[tuple]) -> list[list]:
        """[kind, value] for each call, a list or tuple of positional arguments and a dict of keywords."""
        return observe(self._run, self.fn, calls, time_limit=20.0).value

    def equal(self, rows: list[tuple], kind: str, what: str) -> None:
        """Each row (case, args, kwargs, expected value, likely cause) gives that value, of that type."""
        found = self([(args, kwargs) for _, args, kwargs, *_ in rows])
        for (case, _, _, want, likely), (came, value) in zip(rows, found, strict=True):
            self.expect.case(case)
            hint = "this input is fine: nothing to refuse" if came == "ValueError" else "a whole number: `//`, not `/`"
            self.expect.true(came == kind, f"{what} is no {kind} but a {came}", likely=hint)
            self.expect.equal(value, want, what, likely=likely)

    def refused(self, rows: list[tuple], likely: str) -> None:
        """Each row (case, args, kwargs) raises a ValueError."""
        for (case, *_), (came, _) in zip(rows, self([row[1:] for row in rows]), strict=True):
            self.expect.case(case)
            self.expect.true(came == "ValueError", "this input must be refused with a ValueError", likely=likely)


def _out(n: int, k: int, s: int, p: int, d: int) -> int | None:
    """The length that torch's own layer gives, or None where its window does not fit."""
    if d * (k - 1) + 1 > n + 2 * p:
        return None
    layer = nn.Conv1d(1, 1, k, s, p, d, device="meta")
    return layer(torch.empty(1, 1, n, device="meta")).shape[-1]


def conv_out_size(conv_out_size):
    """Hidden test of conv_out_size: a grid of cases against torch's layer, and what must be refused."""
    likely = "floor((n + 2p - d (k - 1) - 1) / s) + 1: p at both ends, the window reaches over d (k - 1) + 1"
    with hidden("Exercise 1: conv_out_size") as expect:
        table = _Table(expect, conv_out_size)
        rows, refused = [], []
        for n, k, s, p, d in product((1, 2, 5, 8, 12, 13), (1, 2, 3, 5), (1, 2, 3), (0, 1, 2), (1, 2, 3)):
            case, want = f"n={n}, k={k}, stride={s}, padding={p}, dilation={d}", _out(n, k, s, p, d)
            if want is None:
                refused.append((case, (n, k, s, p, d), {}))
            else:
                rows.append((case, (n, k, s, p, d), {}, want, likely))
        table.equal(rows, "int", "the number of outputs")
        table.refused(refused, "the window reaches over d (k - 1) + 1 places, the padded input has n + 2p")
        rows = [("n=10, k=3 and nothing else", (10, 3), {}, 8, "by default stride 1, padding 0, dilation 1")]
        rows.append(("n=10, k=3, dilation=2", (10, 3), {"dilation": 2}, 6, likely))
        rows.append(("n=10, k=3, padding=2", (10, 3), {"padding": 2}, 12, likely))
        rows.append(("n=10, k=3, stride=2", (10, 3), {"stride": 2}, 4, likely))
        table.equal(rows, "int", "the number of outputs")
        good = {"n": 9, "k": 3, "stride": 2, "padding": 3, "dilation": 1}
        bad = [{name: value} for name in good for value in ((-1,) if name == "padding" else (0, -1))]
        bad += [{"n": 0, "padding": 2}, {"n": -1, "padding": 3}, {"k": 0, "n": 5}, {"k": -2}]
        bad += [{"stride": -2}, {"dilation": -2}, {"dilation": 0, "k": 5}, {"padding": -2, "n": 20}]
        rows = [(", ".join(f"{a}={b}" for a, b in (good | b).items()), (), good | b) for b in bad]
        table.refused(rows, "n, k, stride and dilation must be at least 1 and padding at least 0")


def conv_params(conv_params):
    """Hidden test of conv_params: against torch's layer, whole architectures, and what must be refused."""
    likely = "c_out * (c_in / groups * kh * kw + 1), without the 1 where there is no bias"
    with hidden("Exercise 1: conv_params") as expect:
        table = _Table(expect, conv_params)
        rows = []
        for c_in, c_out, k, bias, groups in (
            *product((1, 4, 6), (2, 8), (1, 3, (2, 5), (5, 1)), (True, False), (1, 2)),
            *((12, 18, (3, 4), bias, g) for bias in (True, False) for g in (3, 6)),
            (5, 5, 3, True, 5),
            (1, 1, 1, True, 1),
        ):
            if c_in % groups or c_out % groups:
                continue
            layer = nn.Conv2d(c_in, c_out, k, bias=bias, groups=groups, device="meta")
            want = sum(p.numel() for p in layer.parameters())
            case = f"c_in={c_in}, c_out={c_out}, k={k}, bias={bias}, groups={groups}"
            rows.append((case, (c_in, c_out, k, bias, groups), {}, want, likely))
        rows.append(("c_in=3, c_out=8, k=3 and nothing else", (3, 8, 3), {}, 224, "by default with bias, one group"))
        table.equal(rows, "int", "the number of parameters")

        full = "fully connected layers are convolutions whose kernel covers the whole map"
        for name, layers, want in (
            ("LeNet-5", [(1, 6, 5), (6, 16, 5), (16, 120, 5), (120, 84, 1), (84, 10, 1)], 61_706),
            ("AlexNet in one tower", _ALEXNET, 62_378_344),
            ("VGG-19", _VGG19, 143_667_240),
        ):
            expect.case(f"all layers of {name}")
            total = sum(value for _, value in table([(layer, {}) for layer in layers]))
            expect.equal(total, want, "the sum of the parameters", likely=full)

        bad = [(0, 4, 3), (-2, 4, 3), (4, 0, 3), (4, -1, 3), (4, 4, 0), (4, 4, -3), (4, 4, (3, 0)), (4, 4, (0, 3))]
        rows = [(f"c_in, c_out, k = {args}", args, {}) for args in bad]
        uneven = [(4, 4, 3, 0), (4, 4, 3, -2), (3, 4, 3, 2), (4, 3, 3, 2), (2, 4, 1, 4), (4, 2, 1, 4)]
        rows += [(f"c_in, c_out, k, groups = {a}", a[:3], {"groups": a[3]}) for a in uneven]
        table.refused(rows, "all numbers must be at least 1, and groups must divide both channel counts")


_ALEXNET = [
    (3, 96, 11),
    (96, 256, 5),
    (256, 384, 3),
    (384, 384, 3),
    (384, 256, 3),
    (256, 4096, 6),
    (4096, 4096, 1),
    (4096, 1000, 1),
]
_WIDTHS = [3, 64, 64, 128, 128, *[256] * 4, *[512] * 8]
_VGG19 = [(a, b, 3) for a, b in pairwise(_WIDTHS)]
_VGG19 += [(512, 4096, 7), (4096, 4096, 1), (4096, 1000, 1)]


def _seen(layers: list[tuple]) -> tuple[int, int]:
    """Extent of the gradient of one output unit in the input of a stack of positive weights, and the jump."""
    reach = 1
    for k, s, d in reversed(layers):
        reach = (reach - 1) * s + d * (k - 1) + 1
    jump = 1
    for _, s, _ in layers:
        jump *= s
    x = torch.ones(1, 1, reach + 4 * jump, dtype=torch.float64, requires_grad=True)
    h = x
    for k, s, d in layers:
        h = F.conv1d(h, torch.ones(1, 1, k, dtype=torch.float64), stride=s, dilation=d)
    (grad,) = torch.autograd.grad(h[0, 0, 2], x)
    where = grad[0, 0].nonzero()[:, 0]
    return int(where[-1] - where[0]) + 1, jump


def receptive_field(receptive_field):
    """Hidden test of receptive_field: against gradients of stacks, and known architectures."""
    likely = "r += (k - 1) * d * j with the jump of the layers BEFORE this one, only then j *= s"
    with hidden("Exercise 1: receptive_field") as expect:
        table = _Table(expect, receptive_field)
        generator = torch.Generator().manual_seed(11)
        rows = [("no layers at all", ([],), {}, (1, 1), "one unit sees itself: begin at (1, 1)")]
        for count in (1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 3, 4, 4, 4, 4, 4, 4, 4, 4):
            draw = torch.stack([torch.randint(1, top, (count,), generator=generator) for top in (5, 4, 4)], dim=1)
            layers = [tuple(layer) for layer in draw.tolist()]
            rows.append((f"layers {layers}", (layers,), {}, _seen(layers), likely))
        pool, conv3 = (3, 2, 1), (3, 1, 1)
        alexnet = [(11, 4, 1), pool, (5, 1, 1), pool, conv3, conv3, conv3]
        vgg16 = [layer for count in (2, 2, 3, 3, 3) for layer in [conv3] * count + [(2, 2, 1)]]
        for name, layers, want in (
            ("AlexNet up to its fifth convolution", alexnet, (163, 16)),
            ("AlexNet up to its last pooling", [*alexnet, pool], (195, 32)),
            ("VGG-16 up to its last pooling", vgg16, (212, 32)),
            ("ten layers of kernel 2 with dilations 1, 2, 4, ... 512", [(2, 1, 2**i) for i in range(10)], (1024, 1)),
        ):
            rows.append((name, (layers,), {}, want, likely))
        table.equal(rows, "int, int", "(size, jump)")
        bad = [(0, 1, 1), (-1, 1, 1), (3, 0, 1), (3, -2, 1), (3, 1, 0), (3, 1, -1), (1, 1, 0), (1, 0, 1), (0, 2, 2)]
        rows = [(f"layers {layers}", (layers,), {}) for b in bad for layers in ([b], [(3, 2, 1), b, (2, 1, 1)])]
        table.refused(rows, "kernel, stride and dilation of each layer must be at least 1")
