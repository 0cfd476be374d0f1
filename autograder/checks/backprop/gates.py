"""Exercise 2: gates by hand."""

from __future__ import annotations

import numpy as np
import torch
from coursekit.checking import hidden

from autograder.testing import observe

# Sums and products of a handful of float64 numbers of order 1 to 100.
_EXACT = {"rtol": 1e-12, "atol": 1e-12}


def square_graph(student):
    """Hidden test of `square_graph(x, y, z) -> (value, grads)` for ((x + y) z)^2."""
    rng = np.random.default_rng(211)
    hints = {
        "q": "the square node's derivative is 2q, times the 1 that enters at the output",
        "s": "the product node passes on the other factor: dq/ds = z",
        "z": "the product node passes on the other factor: dq/dz = s = x + y",
        "x": "the add node passes its gradient on to both inputs, unchanged",
        "y": "the add node passes its gradient on to both inputs, unchanged",
    }
    with hidden("Exercise 2: the graph of ((x + y) z)^2") as expect:
        for shape in ((), (), (3,), (2, 3)):
            expect.case("floats" if shape == () else f"arrays of shape {shape}")
            x, y, z = rng.normal(scale=2.0, size=(3, *shape))
            if shape == ():
                x, y, z = float(x), float(y), float(z)
            seen = observe(student, x, y, z)
            value, grads = _pair(expect, seen.value, 2, "a pair (value, grads)")
            s, q = x + y, (x + y) * z
            hint = "q = (x + y) z is one node before the end: the value is its square"
            expect.close(value, q**2, "the value of ((x + y) z)^2", likely=hint, **_EXACT)
            expect.true(
                isinstance(grads, dict) and set(hints) <= set(grads),
                "grads must be a dict with the keys 'x', 'y', 'z', 's' and 'q'",
            )
            wanted = {"q": 2 * q, "s": 2 * q * z, "z": 2 * q * s, "x": 2 * q * z, "y": 2 * q * z}
            for name, want in wanted.items():
                expect.close(grads[name], want, f"the gradient of {name}", likely=hints[name], **_EXACT)
            for before, after, name in zip((x, y, z), seen.args, "xyz", strict=True):
                expect.equal(after, before, f"{name} after the call", likely="an input was changed in place")


def gate_backward(student):
    """Hidden test of `gate_backward(kind, inputs, upstream)`."""
    rng = np.random.default_rng(212)
    with hidden("Exercise 2: backward of one gate") as expect:

        def gate(kind, inputs, upstream, count, case):
            expect.case(case)
            seen = observe(student, kind, inputs, upstream)
            values = _pair(expect, seen.value, count, f"a tuple of {count} gradient(s), one per input")
            for before, after in zip(inputs, seen.args[1], strict=True):
                expect.equal(after, before, "the inputs after the call")
            expect.equal(seen.args[2], upstream, "the upstream gradient after the call")
            return values

        for shape in ((), (3,), (2, 3)):
            words = "floats" if shape == () else f"arrays of shape {shape}"
            draw = lambda shape=shape: _signed(rng, shape)
            x, y, up = draw(), draw(), draw()

            dx, dy = gate("add", (x, y), up, 2, f"add, {words}")
            hint = "an add gate hands the whole upstream gradient to both inputs"
            expect.close(dx, up, "the gradient of the first input", likely=hint, **_EXACT)
            expect.close(dy, up, "the gradient of the second input", likely=hint, **_EXACT)

            dx, dy = gate("mul", (x, y), up, 2, f"mul, {words}")
            hint = "a product gate switches: each input gets upstream times the OTHER input"
            expect.close(dx, up * y, "the gradient of the first input", likely=hint, **_EXACT)
            expect.close(dy, up * x, "the gradient of the second input", likely=hint, **_EXACT)

            for parts in (2, 3):
                ups = tuple(draw() for _ in range(parts))
                (dx,) = gate("copy", (x,), ups, 1, f"copy with {parts} branches, {words}")
                hint = "what comes back along all branches of a fan-out adds up"
                expect.close(dx, sum(ups), "the gradient of the copied value", likely=hint, **_EXACT)

        hint = "a product with 0 is 0, its derivative is not: d(xy)/dx = y, without dividing by x"
        for x, y in ((0.0, 3.0), (-2.0, 0.0), (0.0, 0.0)):
            dx, dy = gate("mul", (x, y), -1.5, 2, f"mul, inputs {x:g} and {y:g}")
            expect.close(
                (dx, dy), (-1.5 * y, -1.5 * x), "the gradients at a zero input", likely=hint, **_EXACT
            )

        hint = "a max gate routes: the larger input gets all of upstream, the other one 0"
        pairs = ((1.0, 2.0), (2.0, 1.0), (-1.0, -2.0), (-2.0, -1.0), (-3.0, 1.0), (1.0, -3.0), (0.0, 0.5))
        for x, y in pairs:
            for up in (0.7, -2.5):
                got = gate("max", (x, y), up, 2, f"max, inputs {x:g} and {y:g}, upstream {up:g}")
                expect.close(got, (up * (x > y), up * (y > x)), "the gradients", likely=hint, **_EXACT)
        x, y = rng.normal(size=(2, 3, 4))
        up = rng.normal(size=(3, 4))
        dx, dy = gate("max", (x, y), up, 2, "max, arrays of shape (3, 4)")
        likely = hint + ", entry by entry"
        expect.close(dx, up * (x > y), "the gradient of the first input", likely=likely, **_EXACT)
        expect.close(dy, up * (y > x), "the gradient of the second input", likely=likely, **_EXACT)

        hint = (
            "on a tie the upstream gradient is shared, (t, 1 - t) with t between 0 and 1: it must not double"
        )
        tied = [(2.0, 2.0, 0.7), (-1.5, -1.5, -2.0), (0.0, 0.0, 1.0)]
        tied.append((np.array([1.0, -2.0]), np.array([1.0, -2.0]), np.array([0.5, -3.0])))
        for x, y, up in tied:
            dx, dy = gate("max", (x, y), up, 2, "max, equal inputs")
            expect.shape(dx, np.shape(x), "the gradient of the first input")
            expect.shape(dy, np.shape(y), "the gradient of the second input")
            dx, dy = np.asarray(dx), np.asarray(dy)
            expect.close(dx + dy, up, "the sum of both gradients on a tie", likely=hint, **_EXACT)
            expect.true(
                (dx / up >= -1e-12) & (dy / up >= -1e-12), "a share of a tie is negative", likely=hint
            )

        for kind in ("sub", "Add", ""):
            expect.case(f"kind={kind!r}")
            expect.raises(ValueError, student, kind, (1.0, 2.0), 1.0, what="an unknown kind is refused")


def branch_graph(student):
    """Hidden test of `branch_graph(x, y) -> (value, dx, dy)` for max(xy, x) + x y^2."""
    rng = np.random.default_rng(213)
    hint = "x enters along three edges and y along two: what comes back along each of them adds up"
    with hidden("Exercise 2: the graph of max(xy, x) + x y^2") as expect:
        points = [(1.5, 2.0), (1.5, 0.5), (-1.5, 2.0), (-1.5, 0.5), (2.0, -1.0), (-2.0, -1.0), (0.5, 0.0)]
        points += [tuple(p) for p in rng.uniform(-2, 2, size=(4, 2)).round(3).tolist()]
        arrays = [rng.uniform(-2, 2, size=(2, *shape)) for shape in ((4,), (2, 3))]
        for x, y in [*points, *arrays]:
            scalar = isinstance(x, float)
            expect.case(f"x = {x:g}, y = {y:g}" if scalar else f"arrays of shape {x.shape}")
            tx, ty = (torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in (x, y))
            value = torch.maximum(tx * ty, tx) + tx * ty**2
            value.sum().backward()
            seen = observe(student, x, y)
            came = _pair(expect, seen.value, 3, "three values (value, dx, dy)")
            expect.close(came[0], value, "the value", **_EXACT)
            expect.close(came[1], tx.grad, "the gradient of x", likely=hint, **_EXACT)
            expect.close(came[2], ty.grad, "the gradient of y", likely=hint, **_EXACT)
            expect.equal(seen.args[0], x, "x after the call")
            expect.equal(seen.args[1], y, "y after the call")

        # at y = 1 both arguments of the max are equal: t y + (1 - t) = 1 for any share t
        x = 1.5
        expect.case("x = 1.5, y = 1: a tie of the max")
        _, dx, dy = _pair(expect, student(x, 1.0), 3, "three values (value, dx, dy)")
        expect.close(dx, 2.0, "the gradient of x on a tie", likely="on a tie the shares sum to 1", **_EXACT)
        expect.shape(dy, (), "the gradient of y")
        share = (float(np.asarray(dy)) - 2 * x) / x
        expect.true(-1e-12 <= share <= 1 + 1e-12, "the gradient of y on a tie is no subgradient of the max")


def _signed(rng: np.random.Generator, shape: tuple):
    """Numbers of either sign and of size 0.5 to 3: a float for shape (), else an array."""
    values = rng.uniform(0.5, 3.0, size=shape) * rng.choice([-1.0, 1.0], size=shape)
    return float(values) if shape == () else values


def _pair(expect, value, count: int, words: str):
    """The entries of a returned tuple (a list will do)."""
    ok = isinstance(value, tuple | list) and len(value) == count
    expect.true(ok, f"the function must return {words}", likely="look at the order and number of the values")
    return value
