"""Exercise 3: the reverse-mode engine, operation by operation (its graph: module engine_graph)."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
from coursekit.checking import hidden

from autograder.checks.backprop.programs import Program, const, run, torch_run

# float64 and a handful of operations on numbers of order 1.
CLOSE = {"rtol": 1e-10, "atol": 1e-10}
SHAPES = (
    ((2, 3), (3,)),
    ((2, 1), (1, 3)),
    ((), (2, 3)),
    ((1,), (4, 1, 5)),
    ((4, 3, 5), (4, 1, 5)),
    ((3, 2), (3, 2)),
)
UNBROADCAST = (
    "sum the gradient back to the operand's shape: over the axes that broadcasting added in front, and over "
    "the axes where the operand has length 1"
)


def draw(rng: np.random.Generator, shape: tuple, low: float = 0.5, high: float = 2.0) -> np.ndarray:
    """Numbers of either sign, away from 0."""
    return rng.uniform(low, high, size=shape) * rng.choice([-1.0, 1.0], size=shape)


def compare(
    expect,
    Tensor,
    programs: list[Program],
    hints: dict[str, str] | None = None,
    ends: bool = False,
    **options,
) -> None:
    """Every node of every program against torch: values, and the gradients of the leaves.

    `hints` says for the operation of the first value node what a wrong gradient probably comes from. With `ends`
    only leaves and the last node are looked at: many random programs are cheap then.
    """
    value_nodes = [[i for i, s in enumerate(p.steps) if s[0] not in _ACTIONS] for p in programs]
    if ends:
        value_nodes = [
            [i for i in nodes if p.steps[i][0] == "leaf" or i == nodes[-1]]
            for p, nodes in zip(programs, value_nodes, strict=True)
        ]
    reports = run(Tensor, programs, value_nodes, expect, **options)
    for program, nodes, report in zip(programs, value_nodes, reports, strict=True):
        expect.case(program.case)
        operation = next((s[0] for s in program.steps if s[0] != "leaf"), "")
        hint = (hints or {}).get(operation)
        oracle = program.oracle()
        # results first: a wrong value is the better message than the wrong gradient that follows from it
        pairs = [(program.steps[n][0] == "leaf", n, got) for n, got in zip(nodes, report, strict=True)]
        for leaf, node, got in sorted(pairs, key=lambda pair: pair[0]):
            compare_node(
                expect, got, oracle[node], f"operand {node + 1}" if leaf else "the result", leaf, hint
            )


_ACTIONS = ("backward", "zero_grad", "mutate")


def compare_node(expect, got: dict, want, name: str, leaf: bool, hint: str | None = None) -> None:
    """One node's data, shape, requires_grad and (leaves only) gradient against torch's."""
    expect.true(
        "data" in got, f"{name} is no Tensor: it has no attribute data (its type is {got.get('type')})"
    )
    expect.shape(got["data"], tuple(want.shape), f"{name}: data")
    expect.close(got["data"], want, f"{name}: data", likely=hint, **CLOSE)
    expect.dtype(got["data"], np.float64, f"{name}: data")
    expect.equal(got["shape"], tuple(want.shape), f"{name}: the attribute shape")
    expect.equal(got.get("requires_grad"), want.requires_grad, f"{name}: requires_grad")
    if not leaf:
        return
    if want.grad is None:
        expect.equal(
            got["grad"], None, f"the gradient of {name}, which needs none", likely="leave .grad None"
        )
    else:
        check_gradient(expect, got["grad"], want.grad, f"the gradient of {name}", hint)


def check_gradient(expect, got, want, what: str, hint: str | None = None) -> None:
    """A gradient: present, of the operand's shape, right."""
    expect.true(got is not None, f"{what} is None after backward", likely="did backward reach this operand?")
    want = np.asarray(want)
    if np.shape(got) != want.shape:
        expect.shape(got, want.shape, what, likely=UNBROADCAST)
    expect.close(got, want, what, likely=hint, **CLOSE)


def twice(program: Program, rng: np.random.Generator, make: Callable[[], int], shape: tuple) -> Program:
    """Build the operation twice on the same leaves, each time with a backward pass: leaves accumulate."""
    for _ in range(2):
        program.backward(make(), draw(rng, shape))
    return program


# ---------------------------------------------------------------------------------------------- elementwise


_ELEMENTWISE_HINTS = {
    "add": "d(a + b)/da = 1: upstream goes to both operands, new arrays of their shapes",
    "sub": "d(a - b)/db = -1; and 3 - x calls x.__rsub__(3): the array or number stands on the left",
    "mul": "d(ab)/da = b: upstream times the other operand",
    "div": "d(a/b)/da = 1/b and d(a/b)/db = -a/b^2; and 1 / x calls x.__rtruediv__(1)",
    "pow": "d(a^n)/da = n a^(n-1); for n = 0 it is 0, also at a = 0",
    "neg": "d(-a)/da = -1",
    "exp": "d exp(a)/da = exp(a), times upstream",
    "log": "d log(a)/da = 1/a, times upstream",
    "tanh": "d tanh(a)/da = 1 - tanh(a)^2, times upstream",
    "sigmoid": "d s(a)/da = s(a) (1 - s(a)), times upstream",
    "relu": "upstream passes where the input was positive, and nowhere else",
}


def engine_elementwise(Tensor):
    """Hidden test of the elementwise operators and methods, with broadcasting."""
    with hidden("Exercise 3: elementwise operations and broadcasting") as expect:
        _construction(expect, Tensor)
        compare(expect, Tensor, _operations(), _ELEMENTWISE_HINTS)
        _extremes(expect, Tensor)
        _relu_mask(expect, Tensor)
        compare(expect, Tensor, _expressions(), ends=True)


@cache
def _operations() -> list[Program]:
    rng = np.random.default_rng(221)
    return [*_binary(rng), *_with_constants(rng), *_powers(rng), *_unary(rng)]


@cache
def _expressions() -> list[Program]:
    rng = np.random.default_rng(225)
    return [_expression(rng, i) for i in range(60)]


def _construction(expect, Tensor):
    cases = {
        "a list of integers": ([1, 2, 3], (3,)),
        "a Python float": (2.5, ()),
        "a nested list": ([[1.0, 2.0, 3.0]], (1, 3)),
        "a float32 array": (np.ones((2, 3), dtype=np.float32), (2, 3)),
        "an integer array": (np.arange(4), (4,)),
    }
    for case, (data, shape) in cases.items():
        expect.case(f"Tensor made from {case}")
        tensor = Tensor(data)
        expect.close(tensor.data, np.asarray(data, dtype=np.float64), "data")
        expect.dtype(np.asarray(tensor.data), np.float64, "data", likely="np.asarray(data, dtype=np.float64)")
        expect.equal(tensor.shape, shape, "the attribute shape")
        expect.equal(tensor.grad, None, "grad before any backward pass")
        expect.equal(tensor.requires_grad, False, "requires_grad where it was not asked for")
    expect.case("Tensor(1.0, requires_grad=True)")
    expect.equal(Tensor(1.0, requires_grad=True).requires_grad, True, "requires_grad")


def _binary(rng):
    programs = []
    for operation in ("add", "sub", "mul", "div"):
        for left, right in SHAPES:
            for a, b in dict.fromkeys([(left, right), (right, left)]):
                p = Program(f"a {_SIGNS[operation]} b with a of shape {a}, b of shape {b}")
                x, y = p.leaf(draw(rng, a)), p.leaf(draw(rng, b))
                shape = np.broadcast_shapes(a, b)
                programs.append(twice(p, rng, lambda p=p, o=operation, x=x, y=y: p.add(o, x, y), shape))
        for needs in ((True, False), (False, True), (False, False)):
            p = Program(
                f"a {_SIGNS[operation]} b where requires_grad is {needs[0]} for a and {needs[1]} for b"
            )
            x, y = (p.leaf(draw(rng, s), requires_grad=n) for s, n in zip(((2, 3), (3,)), needs, strict=True))
            z = p.add(operation, x, y)
            if any(needs):
                p.backward(z, draw(rng, (2, 3)))
            programs.append(p)
        p = Program(f"a {_SIGNS[operation]} a: one tensor as both operands, shape (2, 3)")
        x = p.leaf(draw(rng, (2, 3)))
        programs.append(twice(p, rng, lambda p=p, o=operation, x=x: p.add(o, x, x), (2, 3)))
    return programs


_SIGNS = {"add": "+", "sub": "-", "mul": "*", "div": "/"}


def _with_constants(rng):
    programs = []
    plain = {
        "an int": (3, ()),
        "a float": (-0.75, ()),
        "a NumPy scalar": (np.float64(1.25), ()),
        "an array of shape (3,)": (draw(rng, (3,)), (3,)),
        "an array of shape (4, 2, 3)": (draw(rng, (4, 2, 3)), (4, 2, 3)),
        # grey values of an image; with the sign changed they wrap around, unless they are float64 by then
        "a uint8 array of shape (3,)": (np.array([1, 2, 200], dtype=np.uint8), (3,)),
    }
    for operation, sign in _SIGNS.items():
        for words, (value, shape) in plain.items():
            for reflected in (False, True):
                case = f"{words} {sign} x" if reflected else f"x {sign} {words}"
                p = Program(f"{case}, x of shape (2, 3)")
                x = p.leaf(draw(rng, (2, 3)))
                operands = (const(value), x) if reflected else (x, const(value))
                out = np.broadcast_shapes(shape, (2, 3))
                programs.append(twice(p, rng, lambda p=p, o=operation, a=operands: p.add(o, *a), out))
    return programs


def _powers(rng):
    programs = []
    for n in (2, 3, 1, 0, -1, -2, 0.5, 2.5, 2.0):
        p = Program(f"x ** {n} for positive x")
        x = p.leaf(rng.uniform(0.5, 2.0, size=(2, 3)))
        programs.append(twice(p, rng, lambda p=p, x=x, n=n: p.add("pow", x, const(n)), (2, 3)))
    for n in (2, 3, 1, 0, -1):
        p = Program(f"x ** {n} for negative x")
        x = p.leaf(-rng.uniform(0.5, 2.0, size=(2, 3)))
        programs.append(twice(p, rng, lambda p=p, x=x, n=n: p.add("pow", x, const(n)), (2, 3)))
    for n in (3, 2, 1, 0):
        p = Program(f"x ** {n} at x = 0")
        x = p.leaf(np.zeros(2))
        programs.append(twice(p, rng, lambda p=p, x=x, n=n: p.add("pow", x, const(n)), (2,)))
    return programs


def _unary(rng):
    programs = []
    for operation in ("neg", "exp", "log", "tanh", "relu", "sigmoid"):
        for shape in ((2, 3), (), (4, 1, 5)):
            p = Program(f"{'-x' if operation == 'neg' else f'x.{operation}()'}, x of shape {shape}")
            x = p.leaf(rng.uniform(0.5, 2.0, size=shape) if operation == "log" else draw(rng, shape))
            programs.append(twice(p, rng, lambda p=p, o=operation, x=x: p.add(o, x), shape))
        p = Program(f"{operation} of a tensor that requires no gradient")
        p.add(operation, p.leaf(np.array([0.5, 1.5]), requires_grad=False))
        programs.append(p)
    return programs


def _extremes(expect, Tensor):
    """Values at the ends of the range; numpy's warnings are allowed here, NaN is not."""
    x = np.array([-1000.0, -40.0, 40.0, 1000.0])
    for operation in ("sigmoid", "tanh"):
        p = Program(f"x.{operation}() at -1000, -40, 40 and 1000")
        node = p.leaf(x)
        p.backward(p.add(operation, node), np.ones(4))
        hint = "exp of a large number is infinite, and inf / inf is NaN"
        compare(expect, Tensor, [p], {operation: hint})
    p = Program("x.relu() at x = 0")
    node = p.leaf(np.zeros(2))
    out = p.add("relu", node)
    p.backward(out, np.array([2.0, -2.0]))
    (report,) = run(Tensor, [p], [[node, out]], expect)
    expect.case(p.case)
    expect.close(report[1]["data"], [0.0, 0.0], "the result")
    check_gradient_between(expect, report[0]["grad"], np.array([2.0, -2.0]))


def check_gradient_between(expect, grad, upstream):
    """At a kink of relu every subgradient in [0, 1] is right."""
    expect.shape(grad, upstream.shape, "the gradient at the kink")
    share = np.asarray(grad, dtype=np.float64) / upstream
    expect.true((share >= 0) & (share <= 1), "the derivative of relu at 0 is not between 0 and 1")


def _relu_mask(expect, Tensor):
    p = Program("x.relu(), then x.data changed in place, then backward")
    x = p.leaf(np.array([1.0, -2.0, 3.0]))
    out = p.add("relu", x)
    p.add("mutate", x, const(np.array([-1.0, 2.0, -3.0])))
    p.backward(out, np.array([5.0, 6.0, 7.0]))
    (report,) = run(Tensor, [p], [[x, out]], expect)
    expect.case(p.case)
    hint = "keep the mask (or a copy) of the forward pass; the data may have changed until backward"
    expect.close(report[0]["grad"], [5.0, 0.0, 7.0], "the gradient of x", likely=hint)
    expect.close(report[1]["data"], [1.0, 0.0, 3.0], "the result of the forward pass", likely=hint)


def _expression(rng, number: int) -> Program:
    """A random expression with every elementwise operation, broadcasting and shared parts."""
    p = Program(f"random expression {number} with broadcasting")
    shapes = [(), (3,), (2, 1), (2, 3), (4, 1, 3), (4, 2, 3), (1,)]
    nodes = [p.leaf(draw(rng, shapes[k])) for k in rng.integers(len(shapes), size=3)]
    for _ in range(int(rng.integers(3, 7))):
        kind = str(rng.choice(["add", "sub", "mul", "div", "unary", "unary", "const"]))
        a, b = (int(n) for n in rng.choice(nodes, size=2))
        if kind in ("add", "sub", "mul"):
            new = p.add(kind, a, b)
        elif kind == "div":  # a / (2 + tanh b): never near 0
            new = p.add("div", a, p.add("add", const(2.0), p.add("tanh", b)))
        elif kind == "const":
            operation = str(rng.choice(["add", "sub", "mul"]))
            operands = [a, const(draw(rng, (3,)))]
            new = p.add(operation, *(operands if rng.random() < 0.5 else operands[::-1]))
        else:
            operation = str(rng.choice(["neg", "tanh", "sigmoid", "exp", "log", "pow"]))
            if operation in ("exp", "log", "pow"):  # keep numbers of order 1
                a = p.add("sigmoid", a)
            new = (
                p.add("pow", a, const(int(rng.integers(2, 4)))) if operation == "pow" else p.add(operation, a)
            )
        nodes.append(new)
    root = p.add("add", nodes[-1], nodes[0])
    p.backward(root, rng.normal(size=tuple(torch_run(p)[root].shape)))
    return p
