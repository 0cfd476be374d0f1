"""Exercise 4: forward mode, and Jacobians both ways."""

from __future__ import annotations

import inspect

import numpy as np
import torch
from coursekit.checking import hidden

from autograder.checks.backprop.engine import draw
from autograder.checks.backprop.programs import Program, const, run, torch_jvp, torch_run
from autograder.checks.backprop.standins import DUAL, MAPS, TENSOR
from autograder.testing import observe, ship

# float64 and a handful of operations on numbers of order 1.
_CLOSE = {"rtol": 1e-10, "atol": 1e-10}

_HINTS = {
    "add": "tangents add; the tangent of a constant is 0",
    "sub": "tangents subtract in the order of the values: 2 - d is not d - 2",
    "mul": "the product rule has two terms: a' b + a b'",
    "div": "(a / b)' = (a' b - a b') / b^2; and 2 / d is not d / 2",
    "pow": "(a^n)' = n a^(n-1) a'; for n = 0 it is 0, also at a = 0",
    "exp": "exp(a)' = exp(a) a'",
    "log": "log(a)' = a' / a",
    "sin": "sin(a)' = cos(a) a'",
    "cos": "cos(a)' = -sin(a) a'",
    "tanh": "tanh(a)' = (1 - tanh(a)^2) a'",
}
_SIGNS = {"add": "+", "sub": "-", "mul": "*", "div": "/"}


def dual(Dual):
    """Hidden test of `Dual(val, dot)`: arithmetic, reflected operators, powers, functions."""
    rng = np.random.default_rng(241)
    with hidden("Exercise 4: dual numbers") as expect:
        expect.case("Dual of a list of integers")
        made = Dual([1, 2, 3], [0, 1, 0])
        expect.close(made.val, [1.0, 2.0, 3.0], "val")
        expect.close(made.dot, [0.0, 1.0, 0.0], "dot")
        expect.dtype(np.asarray(made.val), np.float64, "val")

        programs = []
        for shape in ((3,), (), (2, 3)):
            leaf = lambda p, shape=shape: p.leaf(draw(rng, shape), rng.normal(size=shape), requires_grad=None)
            constants = {"a number": -1.5, "an integer": 2}
            if shape:
                constants[f"an array of shape {shape}"] = draw(rng, shape)
            for operation, sign in _SIGNS.items():
                p = Program(f"a {sign} b, shape {shape}")
                p.add(operation, leaf(p), leaf(p))
                programs.append(p)
                p = Program(f"a {sign} a, shape {shape}")
                a = leaf(p)
                p.add(operation, a, a)
                programs.append(p)
                for words, value in constants.items():
                    p = Program(f"d {sign} {words}, shape {shape}")
                    p.add(operation, leaf(p), const(value))
                    programs.append(p)
                    p = Program(f"{words} {sign} d, shape {shape}")
                    p.add(operation, const(value), leaf(p))
                    programs.append(p)
            for n in (3, 2, 1, 0, -1, -2, 0.5):
                p = Program(f"d ** {n} for positive values, shape {shape}")
                positive = p.leaf(
                    rng.uniform(0.5, 2.0, size=shape), rng.normal(size=shape), requires_grad=None
                )
                p.add("pow", positive, const(n))
                programs.append(p)
            for operation in ("exp", "log", "sin", "cos", "tanh"):
                p = Program(f"d.{operation}(), shape {shape}")
                p.add(
                    operation,
                    p.leaf(rng.uniform(0.5, 2.0, size=shape), rng.normal(size=shape), requires_grad=None),
                )
                programs.append(p)
        for n in (3, 2, 0, -1):
            p = Program(f"d ** {n} for negative values")
            p.add(
                "pow",
                p.leaf(-rng.uniform(0.5, 2.0, size=3), rng.normal(size=3), requires_grad=None),
                const(n),
            )
            programs.append(p)
        for n in (2, 1, 0):
            p = Program(f"d ** {n} at 0")
            p.add("pow", p.leaf(np.zeros(2), rng.normal(size=2), requires_grad=None), const(n))
            programs.append(p)
        programs.append(_long_expression(rng))

        reports = run(Dual, programs, [[len(p.steps) - 1] for p in programs], expect)
        for program, (got,) in zip(programs, reports, strict=True):
            _compare(expect, program, got)

        for val, dot in (((3,), (1,)), ((2, 3), (3,)), ((3,), ()), ((2, 3), (3, 2))):
            expect.case(f"val of shape {val}, dot of shape {dot}")
            what = "shapes that differ are refused, also where they would broadcast"
            expect.raises(ValueError, Dual, np.ones(val), np.ones(dot), what=what)


def _compare(expect, program: Program, got: dict) -> None:
    expect.case(program.case)
    leaves = [s for s in program.steps if s[0] == "leaf"]
    values = tuple(torch.tensor(s[1][0]["const"]) for s in leaves)
    tangents = tuple(torch.tensor(s[1][1]["const"]) for s in leaves)
    want, tangent = torch_jvp(lambda *v: torch_run(program, list(v))[-1], values, tangents)
    operation = program.steps[-1][0]
    expect.true("val" in got and "dot" in got, f"the result is no Dual but {got.get('type')}")
    expect.close(got["val"], want, "val of the result", likely=_HINTS.get(operation), **_CLOSE)
    expect.close(got["dot"], tangent, "dot of the result", likely=_HINTS.get(operation), **_CLOSE)


def _long_expression(rng) -> Program:
    p = Program("tanh(a b) / (3 - sin(a) cos(b)) + exp(a / b) ** 2")
    a, b = (p.leaf(rng.uniform(0.5, 1.5, size=4), rng.normal(size=4), requires_grad=None) for _ in range(2))
    bottom = p.add("sub", const(3.0), p.add("mul", p.add("sin", a), p.add("cos", b)))
    left = p.add("div", p.add("tanh", p.add("mul", a, b)), bottom)
    p.add("add", left, p.add("pow", p.add("exp", p.add("div", a, b)), const(2)))
    return p


# ------------------------------------------------------------------------------------------------ Jacobians

# name -> number of inputs
_INPUTS = {
    "products": 2,
    "quotients": 3,
    "inner": 3,
    "outer": 4,
    "composed": 3,
    "linear": 3,
    "scalar": 3,
    "one": 1,
}


def _both_sides(rng):
    """The test functions where the student's code lives, and the same for torch here."""
    a, b = rng.normal(size=(4, 3)), rng.normal(size=(2, 4))
    there = ship(MAPS, "maps")(a, b)
    space: dict = {}
    exec(inspect.cleandoc(MAPS), space)
    here = space["maps"](torch.tensor(a), torch.tensor(b))
    stacked = {name: (lambda x, f=f: _stack(f(x))) for name, f in here.items()}
    return there, stacked, space["extra"]


def _stack(out):
    return torch.stack(list(out)) if isinstance(out, list) else out


def _point(rng, n: int) -> np.ndarray:
    return rng.uniform(0.5, 1.5, size=n)


def jacobian_forward(Dual, jvp, student):
    """Hidden test of `jvp(f, x, v)` and `jacobian_forward(f, x)`, on a Dual class of the autograder's own."""
    rng = np.random.default_rng(242)
    there, here, extra = _both_sides(rng)
    replacing = {"Dual": ship(DUAL, "Dual")}
    with hidden("Exercise 4: forward mode") as expect:
        cases = [(name, there[name], here[name]) for name in _INPUTS]
        cases.append(("sums", ship(MAPS, "extra"), extra))
        for name, f, oracle in cases:
            n = _INPUTS.get(name, 5)
            x, v = _point(rng, n), rng.normal(size=n)
            for words, direction in (
                ("random v", v),
                ("v = 0", 0 * v),
                ("the same v, 10 times as long", 10 * v),
            ):
                expect.case(f"jvp, function '{name}' of {n} inputs, {words}")
                point, along = torch.tensor(x), torch.tensor(direction)
                want, tangent = torch_jvp(oracle, (point,), (along,))
                seen = observe(jvp, f, x, direction, replacing=replacing)
                pair = seen.value
                ok = isinstance(pair, tuple | list) and len(pair) == 2
                expect.true(ok, "jvp must return two arrays, f(x) and J v")
                hint = "np.array([...]) turns a list of m numbers into an array [m]"
                arrays = all(isinstance(part, np.ndarray | np.generic) for part in pair)
                expect.true(arrays, "jvp must return two arrays, also where f returns a list", likely=hint)
                hint = "seed the tangent of x with v and read the tangent of the result"
                expect.close(pair[0], want, "the value f(x)", **_CLOSE)
                expect.close(pair[1], tangent, "the directional derivative J v", likely=hint, **_CLOSE)
                expect.equal(seen.args[1], x, "x after the call")
                expect.equal(seen.args[2], direction, "v after the call")
        expect.case("jvp and jacobian_forward, f(x) = [x0 x1, 7]: a number in the list is a constant")
        f, x = there["with a constant"], np.array([2.0, 3.0])
        value, tangent = observe(jvp, f, x, np.array([1.0, 10.0]), replacing=replacing).value
        expect.close(value, [6.0, 7.0], "the value f(x)", **_CLOSE)
        expect.close(tangent, [23.0, 0.0], "the directional derivative J v", **_CLOSE)
        jacobian = observe(student, f, x, replacing=replacing).value
        hint = "one pass per input with a one-hot v; its tangent is COLUMN i of the Jacobian"
        expect.close(jacobian, [[3.0, 2.0], [0.0, 0.0]], "the Jacobian", likely=hint, **_CLOSE)
        for name, n in _INPUTS.items():
            x = _point(rng, n)
            _jacobian(expect, student, there[name], here[name], name, x, n, replacing, "input", hint)
        _chain_rule(expect, student, there, replacing, rng)


def jacobian_reverse(student):
    """Hidden test of `jacobian_reverse(f, x)`, on a Tensor class of the autograder's own."""
    rng = np.random.default_rng(243)
    there, here, _ = _both_sides(rng)
    replacing = {"Tensor": ship(TENSOR, "Tensor")}
    with hidden("Exercise 4: reverse Jacobian") as expect:
        for name, n in _INPUTS.items():
            x = _point(rng, n)
            m = int(np.prod(here[name](torch.tensor(x)).shape, dtype=int))
            hint = "one backward pass per output; reset the leaf's gradient before each, it accumulates"
            _jacobian(expect, student, there[name], here[name], name, x, m, replacing, "output", hint)
        _chain_rule(expect, student, there, replacing, rng)


def _jacobian(expect, student, f, oracle, name, x, limit, replacing, per, hint):
    want = torch.autograd.functional.jacobian(oracle, torch.tensor(x)).reshape(-1, x.size)
    expect.case(f"function '{name}' from {x.size} to {len(want)} numbers")
    before = f.calls
    seen = observe(student, f, x, replacing=replacing)
    shape_hint = "outputs are rows, inputs are columns: [m, n]; a single output still makes one row"
    expect.true(isinstance(seen.value, np.ndarray), "the Jacobian must be an array [m, n]", likely="np.stack")
    expect.shape(seen.value, tuple(want.shape), "the Jacobian", likely=shape_hint)
    expect.close(seen.value, want, "the Jacobian", likely=hint, **_CLOSE)
    expect.equal(seen.args[1], x, "x after the call")
    calls = f.calls - before
    expect.true(
        1 <= calls <= limit,
        f"f was called {calls} times; at most one pass per {per} is needed, here {limit}",
        likely="call f once per pass, and not once more to learn how many outputs it has",
    )
    return seen.value


def _chain_rule(expect, student, there, replacing, rng):
    """J of (outer after inner) = J_outer J_inner, on maps 3 -> 4 -> 2."""
    x = _point(rng, 3)
    jacobian = lambda name, point: np.asarray(observe(student, there[name], point, replacing=replacing).value)
    # the value of the inner map tanh(A x), with A read off as the Jacobian of the linear map A x
    value = np.tanh(jacobian("linear", x) @ x)
    expect.case("the chain rule on random maps from 3 to 4 to 2 numbers")
    product = jacobian("outer", value) @ jacobian("inner", x)
    expect.close(jacobian("composed", x), product, "the Jacobian of the composition", **_CLOSE)


def passes(student):
    """Hidden test of `passes(n, m, mode)`."""
    with hidden("Exercise 4: number of passes") as expect:
        for n, m in ((7, 4), (3, 11), (1, 5), (6, 1), (100000, 10)):
            for mode, want, hint in (
                ("forward", n, "forward mode takes one pass per input"),
                ("reverse", m, "reverse mode takes one pass per output"),
            ):
                expect.case(f"{n} inputs, {m} outputs, mode={mode!r}")
                expect.equal(student(n, m, mode), want, "the number of passes", likely=hint)
        expect.case("mode='backward'")
        expect.raises(ValueError, student, 3, 4, "backward", what="an unknown mode is refused")
