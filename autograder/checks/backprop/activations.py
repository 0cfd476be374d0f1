"""Exercise 5: activations with forward and backward."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from coursekit.checking import hidden
from torch.nn import functional as F

from autograder.testing import observe, ship

# float64: one or two roundings an operation, outputs of order 1.
CLOSE = {"rtol": 1e-12, "atol": 1e-12}
CLOSE32 = {"rtol": 1e-5, "atol": 1e-6}

# Read-only and non-contiguous arrays cannot be sent by value.
_LAYOUTS = """
    import numpy as np

    def transposed(layer, x, dy):
        x, dy = np.array(x).T, np.array(dy).T
        x.flags.writeable = dy.flags.writeable = False
        y = np.array(layer.forward(x))
        return y, np.array(layer.backward(dy))
"""


def away_from_zero(rng: np.random.Generator, shape: tuple) -> np.ndarray:
    """Points between -3 and 3, none within 0.05 of the kink at 0."""
    return rng.uniform(0.05, 3.0, size=shape) * rng.choice([-1.0, 1.0], size=shape)


def _oracle(fn: Callable, x: np.ndarray, dy: np.ndarray):
    t = torch.tensor(x, requires_grad=True)
    y = fn(t)
    (dx,) = torch.autograd.grad((y * torch.tensor(dy)).sum(), t)
    return y.detach(), dx


def both(expect, layer, x, dy, **options):
    """forward and backward, observed, with the inputs checked to be as they were."""
    seen = observe(layer.forward, x, **options)
    hint = "never write into an input: make a new array"
    expect.equal(seen.args[0], x, "x after forward", likely=hint)
    back = observe(layer.backward, dy, **options)
    expect.equal(back.args[0], dy, "dy after backward", likely=hint)
    return seen.value, back.value


def _elementwise(
    expect, rng, make: Callable, fn: Callable, hint: str, *, same_dtype: bool = True, **tolerance
) -> None:
    """What every elementwise layer must do. `make()` gives a fresh one; `fn` is torch's function."""
    tolerance = {**CLOSE, **tolerance}
    for shape in ((2, 3), (5,), (2, 3, 4)):
        expect.case(f"x of shape {shape}")
        x, dy = away_from_zero(rng, shape), rng.normal(size=shape)
        y, dx = both(expect, make(), x, dy)
        want_y, want_dx = _oracle(fn, x, dy)
        expect.close(y, want_y, "forward", **tolerance)
        expect.close(dx, want_dx, "backward: dx", likely=hint, **tolerance)

    shape = (2, 3)
    expect.case(f"x and dy read-only and not contiguous, shape {shape}")
    x, dy = away_from_zero(rng, shape), rng.normal(size=shape)
    y, dx = ship(_LAYOUTS, "transposed")(make(), x.T.copy(), dy.T.copy())
    want_y, want_dx = _oracle(fn, x, dy)
    expect.close(y, want_y, "forward", **tolerance)
    expect.close(dx, want_dx, "backward: dx", **tolerance)

    if same_dtype:
        expect.case(f"float32 x and dy of shape {shape}")
        x32, dy32 = x.astype(np.float32), dy.astype(np.float32)
        y, dx = both(expect, make(), x32, dy32)
        want_y, want_dx = _oracle(fn, x32, dy32)
        expect.dtype(y, np.float32, "forward on a float32 array")
        expect.dtype(dx, np.float32, "backward on a float32 array")
        expect.close(y, want_y, "forward", **CLOSE32)
        expect.close(dx, want_dx, "backward: dx", likely=hint, **CLOSE32)

    x, dy, first = away_from_zero(rng, shape), rng.normal(size=shape), away_from_zero(rng, shape)
    want_first, want = _oracle(fn, first, dy)[1], _oracle(fn, x, dy)[1]
    expect.case(f"forward twice with different x, then backward, shape {shape}")
    layer = make()
    layer.forward(first)
    layer.forward(x)
    expect.close(layer.backward(dy), want, "backward, which belongs to the last forward pass", **tolerance)

    expect.case(f"two layers in turn: forward, forward, backward, backward, shape {shape}")
    one, two = make(), make()
    one.forward(first)
    two.forward(x)
    shared = "both layers keep their values in one place: store them on self, not on the class"
    expect.close(
        one.backward(dy), want_first, "backward of the layer that ran first", likely=shared, **tolerance
    )
    expect.close(two.backward(dy), want, "backward of the other layer", likely=shared, **tolerance)
    _refusals(expect, make, shape, rng)


def _refusals(expect, make: Callable, shape: tuple, rng) -> None:
    expect.case("backward before forward")
    expect.raises(ValueError, make().backward, np.ones(shape), what="backward before forward is refused")
    layer = make()
    layer.forward(away_from_zero(rng, shape))
    for wrong in ((), shape[1:], (1, *shape[1:]), (*shape, 1), shape[::-1]):
        if wrong != shape:
            expect.case(f"dy of shape {wrong} where y has shape {shape}")
            what = "a dy of another shape is refused, also one that would broadcast"
            expect.raises(ValueError, layer.backward, np.ones(wrong), what=what)


def _extremes(expect, make: Callable, value: Callable, slope: Callable) -> None:
    """Far out on both sides, with overflow, invalid and division by zero raising."""
    x, dy = np.array([-1000.0, -800.0, 800.0, 1000.0]), np.array([1.0, -2.0, 3.0, -4.0])
    for dtype, tolerance in ((np.float64, CLOSE), (np.float32, CLOSE32)):
        name = np.dtype(dtype).name
        expect.case(f"{name} x = -1000, -800, 800, 1000 while overflow and invalid operations raise")
        try:
            y, dx = both(expect, make(), x.astype(dtype), dy.astype(dtype), np_errors="raise")
        except FloatingPointError as error:
            expect.true(False, f"numpy reports: {error}", likely=_STABLE)
        expect.close(y, value(x), "forward far from 0", **tolerance)
        expect.close(dx, slope(x) * dy, "backward far from 0", **tolerance)


_STABLE = "exp of a large positive number overflows: only take exp of numbers <= 0"


def sigmoid(Sigmoid):
    """Hidden test of `Sigmoid`."""
    rng = np.random.default_rng(251)
    with hidden("Exercise 5: Sigmoid") as expect:
        hint = "s' = y (1 - y) with y the output of forward, times dy"
        _elementwise(expect, rng, Sigmoid, torch.sigmoid, hint)
        _extremes(expect, Sigmoid, lambda x: 1.0 * (x > 0), lambda x: 0.0 * x)


def tanh(Tanh):
    """Hidden test of `Tanh`."""
    rng = np.random.default_rng(252)
    with hidden("Exercise 5: Tanh") as expect:
        hint = "tanh' = 1 - y^2 with y the output of forward (mind the square), times dy"
        _elementwise(expect, rng, Tanh, torch.tanh, hint)
        _extremes(expect, Tanh, np.sign, lambda x: 0.0 * x)


def relu(ReLU):
    """Hidden test of `ReLU`."""
    rng = np.random.default_rng(253)
    with hidden("Exercise 5: ReLU") as expect:
        hint = "dy passes where x was positive in forward, and nowhere else"
        _elementwise(expect, rng, ReLU, torch.relu, hint)
        _extremes(expect, ReLU, lambda x: x * (x > 0), lambda x: 1.0 * (x > 0))
        expect.case("x = 0")
        dy = np.array([2.0, -3.0])
        y, dx = both(expect, ReLU(), np.zeros(2), dy)
        expect.close(y, [0.0, 0.0], "forward at 0", **CLOSE)
        _between(expect, dx, dy, 0.0, 1.0)


def _between(expect, dx, dy, low: float, high: float) -> None:
    """At a kink every slope between the left and the right one is right."""
    expect.shape(dx, dy.shape, "dx at the kink")
    slope = np.asarray(dx, dtype=np.float64) / dy
    low, high = min(low, high) - 1e-12, max(low, high) + 1e-12
    expect.true(
        (slope >= low) & (slope <= high), "the slope at 0 lies outside of the left and the right slope"
    )


_BY_SIGN = "x where x > 0, alpha x elsewhere: max(alpha x, x) is right for alpha <= 1 only"


def leaky_relu(LeakyReLU):
    """Hidden test of `LeakyReLU(alpha=0.01)`."""
    rng = np.random.default_rng(254)
    with hidden("Exercise 5: LeakyReLU") as expect:
        hint = "the slope is 1 where x was positive and alpha elsewhere, times dy"
        _elementwise(expect, rng, LeakyReLU, lambda t: F.leaky_relu(t, 0.01), hint)
        for alpha in (1.5, -0.2, 0.3, 0.0):
            expect.case(f"alpha = {alpha}")
            x, dy = away_from_zero(rng, (3, 4)), rng.normal(size=(3, 4))
            y, dx = both(expect, LeakyReLU(alpha=alpha), x, dy)
            want_y, want_dx = _oracle(lambda t, a=alpha: F.leaky_relu(t, a), x, dy)
            expect.close(y, want_y, "forward", likely=_BY_SIGN, **CLOSE)
            expect.close(dx, want_dx, "backward: dx", likely=hint, **CLOSE)
        expect.case("two layers with different alpha")
        one, two = LeakyReLU(0.5), LeakyReLU(0.25)
        expect.close(one.forward(np.array([-2.0])), [-1.0], "forward of the first layer")
        expect.close(two.forward(np.array([-2.0])), [-0.5], "forward of the second layer")
        expect.close(one.backward(np.array([1.0])), [0.5], "backward of the first layer")
        slope = lambda x: np.where(x > 0, 1.0, 0.01)
        _extremes(expect, LeakyReLU, lambda x: x * slope(x), slope)
        expect.case("x = 0, alpha = 1.5")
        dy = np.array([2.0, -3.0])
        y, dx = both(expect, LeakyReLU(1.5), np.zeros(2), dy)
        expect.close(y, [0.0, 0.0], "forward at 0", **CLOSE)
        _between(expect, dx, dy, 1.0, 1.5)


def prelu(PReLU):
    """Hidden test of `PReLU(num_parameters=1, init=0.25)`."""
    rng = np.random.default_rng(255)
    with hidden("Exercise 5: PReLU") as expect:
        hint = "the slope is 1 where x was positive and alpha elsewhere, times dy"
        expect.case("PReLU()")
        expect.close(PReLU().alpha, [0.25], "alpha at the start")
        expect.case("PReLU(num_parameters=3, init=0.1)")
        expect.close(PReLU(num_parameters=3, init=0.1).alpha, [0.1, 0.1, 0.1], "alpha at the start")
        _elementwise(expect, rng, PReLU, lambda t: F.leaky_relu(t, 0.25), hint, same_dtype=False)

        for shared in (True, False):
            for shape in ((4, 3), (2, 3, 5), (1, 3), (2, 3, 4, 2)):
                slopes = np.array([0.7]) if shared else np.array([1.5, -0.2, 0.25])
                words = "one slope" if shared else "one slope per feature"
                expect.case(f"{words}, x of shape {shape}")
                layer = PReLU(len(slopes))
                layer.alpha = slopes.copy()
                x, dy = away_from_zero(rng, shape), rng.normal(size=shape)
                y, dx = both(expect, layer, x, dy)
                t, a = torch.tensor(x, requires_grad=True), torch.tensor(slopes, requires_grad=True)
                want = F.prelu(t, a)
                (want * torch.tensor(dy)).sum().backward()
                expect.close(y, want, "forward", likely=_BY_SIGN, **CLOSE)
                expect.close(dx, t.grad, "backward: dx", likely=hint, **CLOSE)
                likely = "dalpha is the SUM of dy * x over all entries with x < 0 that share the slope"
                expect.close(layer.dalpha, a.grad, "dalpha", likely=likely, **CLOSE)
                expect.close(
                    layer.alpha, slopes, "alpha after backward", likely="backward does not update alpha"
                )
        expect.case("backward twice on one forward pass")
        layer, x, dy = PReLU(), np.array([-2.0, 3.0, -1.0]), np.array([1.0, 10.0, 100.0])
        layer.forward(x)
        layer.backward(dy)
        layer.backward(dy)
        expect.close(layer.dalpha, [-102.0], "dalpha", likely="backward sets dalpha, it does not add to it")


def elu(ELU):
    """Hidden test of `ELU(alpha=1.0)`."""
    rng = np.random.default_rng(256)
    with hidden("Exercise 5: ELU") as expect:
        hint = "the slope is 1 where x > 0 and alpha exp(x) elsewhere, times dy"
        _elementwise(expect, rng, ELU, F.elu, hint)
        for alpha in (0.3, 2.0):
            expect.case(f"alpha = {alpha}")
            x, dy = away_from_zero(rng, (3, 4)), rng.normal(size=(3, 4))
            y, dx = both(expect, ELU(alpha=alpha), x, dy)
            want_y, want_dx = _oracle(lambda t, a=alpha: F.elu(t, a), x, dy)
            expect.close(y, want_y, "forward", likely="alpha (exp(x) - 1) for x <= 0", **CLOSE)
            expect.close(dx, want_dx, "backward: dx", likely=hint, **CLOSE)
        expect.case("alpha = 0.3, just left and right of 0")
        x, dy = np.array([-1e-9, 1e-9]), np.ones(2)
        y, dx = both(expect, ELU(0.3), x, dy)
        expect.close(y, [0.0, 0.0], "forward", rtol=0, atol=1e-8, likely="ELU is continuous at 0")
        expect.close(dx, [0.3, 1.0], "the left and the right slope at 0", rtol=0, atol=1e-6, likely=hint)
        value = lambda x: np.where(x > 0, x, -0.3)
        _extremes(expect, lambda: ELU(0.3), value, lambda x: 1.0 * (x > 0))
