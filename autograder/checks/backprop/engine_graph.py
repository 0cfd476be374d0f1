"""Exercise 3: the graph of the engine: order, accumulation, seeds. Needs only `+` and `*` of equal shapes."""

from __future__ import annotations

from functools import cache

import numpy as np
from coursekit.checking import hidden

from autograder.checks.backprop.engine import check_gradient, compare, compare_node, draw
from autograder.checks.backprop.programs import Program, const, run, torch_run
from autograder.testing import TimeLimitExceeded

_ORDER = (
    "a node may pass its gradient on only when it has received all parts of it: go through the graph in "
    "reverse topological order, each node once"
)
_ADD = "a tensor that is used twice receives the SUM of both gradients: += and not ="
_RESET = "gradients of interior nodes belong to one backward call: reset them at its start; leaves accumulate"
_ALIAS = "two nodes share one gradient array, and adding to one changes the other: store copies"


def engine_graph(Tensor):
    """Hidden test of the order of the backward pass, of accumulation and of seeds."""
    rng = np.random.default_rng(231)
    with hidden("Exercise 3: the graph") as expect:
        _shared_nodes(expect, Tensor, rng)
        _deep_graphs(expect, Tensor)
        _several_passes(expect, Tensor, rng)
        _constants(expect, Tensor, rng)
        _seeds(expect, Tensor, rng)
        _refusals(expect, Tensor)
        compare(expect, Tensor, _expressions(), {"add": _ADD, "mul": _ADD}, ends=True)


@cache
def _expressions() -> list[Program]:
    rng = np.random.default_rng(232)
    return [_expression(rng, i) for i in range(140)]


def _shared_nodes(expect, Tensor, rng):
    for operation, sign in (("add", "+"), ("mul", "*")):
        p = Program(f"x {sign} x")
        x = p.leaf(draw(rng, (2, 3)))
        p.backward(p.add(operation, x, x), draw(rng, (2, 3)))
        compare(expect, Tensor, [p], {operation: _ADD})

    p = Program("paths of unequal length: a = 2x, b = 3a, c = b + a, L = c a")
    x = p.leaf(draw(rng, (3,)))
    a = p.add("mul", const(2.0), x)
    b = p.add("mul", const(3.0), a)
    c = p.add("add", b, a)
    p.backward(p.add("mul", c, a), draw(rng, (3,)))
    compare(expect, Tensor, [p], {"mul": _ORDER})

    for swapped in (False, True):
        p = Program(
            f"a short and a long path from x joined by {'long + short' if swapped else 'short + long'}"
        )
        x = p.leaf(draw(rng, (3,)))
        short = p.add("mul", x, x)
        long = short
        for k in range(4):
            long = p.add("mul", p.add("add", long, const(float(k))), short)
        p.backward(p.add("add", *((long, short) if swapped else (short, long))), draw(rng, (3,)))
        compare(expect, Tensor, [p], {"mul": _ORDER})

    # Shared gradient arrays show in one order only: both are tested.
    for first in ("5u", "v"):
        p = Program(f"u = x + y, v = 3x, L = {'5u + v' if first == '5u' else 'v + 5u'}")
        x, y = p.leaf(draw(rng, (2, 3))), p.leaf(draw(rng, (2, 3)))
        u, v = p.add("add", x, y), p.add("mul", const(3.0), x)
        u5 = p.add("mul", const(5.0), u)
        p.backward(p.add("add", *((u5, v) if first == "5u" else (v, u5))), np.ones((2, 3)))
        compare(expect, Tensor, [p], {"add": _ALIAS})


def _deep_graphs(expect, Tensor):
    for count in (18, 60):
        p = Program(f"x = x + x, {count} times")
        node = leaf = p.leaf(np.array([1.5]))
        for _ in range(count):
            node = p.add("add", node, node)
        p.backward(node, np.ones(1))
        hint = "visit each node once: following every path doubles the work with each addition"
        try:
            # One visit a node takes milliseconds; following every path of 60 doublings takes for ever.
            (report,) = run(Tensor, [p], [[leaf, node]], expect, time_limit=3.0)
        except TimeLimitExceeded as error:
            expect.true(False, f"backward {error}", likely=hint)
        expect.close(report[1]["data"], [1.5 * 2.0**count], "the value", rtol=0)
        check_gradient(expect, report[0]["grad"], [2.0**count], "the gradient of x", hint)

    p = Program("a chain of 5000 additions")
    leaf = p.leaf(np.array([1.0]))
    node = p.add("chain", leaf, const(1.0), by="add", times=5000)
    p.backward(node, np.array([3.0]))
    try:
        (report,) = run(Tensor, [p], [[leaf, node]], expect)
    except RecursionError:
        hint = "walk the graph with a stack of your own, or raise the limit with sys.setrecursionlimit"
        expect.true(False, "RecursionError: the recursion over the graph is too deep for Python", likely=hint)
    expect.close(report[1]["data"], [5001.0], "the value")
    check_gradient(expect, report[0]["grad"], [3.0], "the gradient of x")


def _several_passes(expect, Tensor, rng):
    p = Program("y = 2x, z = 3y, backward twice on z")
    x = p.leaf(draw(rng, (3,)))
    y = p.add("mul", const(2.0), x)
    z = p.add("mul", const(3.0), y)
    one, two = draw(rng, (3,)), draw(rng, (3,))
    p.backward(z, one)
    p.backward(z, two)
    (report,) = run(Tensor, [p], [[x, y]], expect)
    expect.case(p.case)
    check_gradient(expect, report[0]["grad"], 6 * (one + two), "the gradient of the leaf x", _RESET)
    if report[1]["grad"] is not None:  # an engine may keep gradients of interior nodes to itself
        expect.close(report[1]["grad"], 3 * two, "the gradient of y after the second call", likely=_RESET)

    p = Program("u = x y is used by v = 2u and by w = u u; backward on v, then on w")
    x, y = p.leaf(draw(rng, (2, 3))), p.leaf(draw(rng, (2, 3)))
    u = p.add("mul", x, y)
    v, w = p.add("mul", u, const(2.0)), p.add("mul", u, u)
    p.backward(v, draw(rng, (2, 3)))
    p.backward(w, draw(rng, (2, 3)))
    compare(expect, Tensor, [p], {"mul": _RESET})

    p = Program("two graphs on the same leaves, backward on each")
    x, y = p.leaf(draw(rng, (2, 3))), p.leaf(draw(rng, (2, 3)))
    p.backward(p.add("mul", x, y), draw(rng, (2, 3)))
    p.backward(p.add("add", p.add("mul", x, x), y), draw(rng, (2, 3)))
    compare(expect, Tensor, [p], {"mul": "leaf gradients accumulate over backward calls until zero_grad"})

    p = Program("backward, zero_grad on the leaf, backward again")
    x = p.leaf(draw(rng, (3,)))
    y = p.add("mul", x, x)
    p.backward(y, draw(rng, (3,)))
    p.add("zero_grad", x)
    p.backward(y, draw(rng, (3,)))
    compare(expect, Tensor, [p], {"mul": "zero_grad forgets the gradient collected so far"})
    p = Program("zero_grad after backward")
    x = p.leaf(np.array([1.0, 2.0]))
    p.backward(p.add("mul", x, x), np.ones(2))
    p.add("zero_grad", x)
    (report,) = run(Tensor, [p], [[x]], expect)
    expect.case(p.case)
    grad = report[0]["grad"]
    expect.true(
        grad is None or not np.any(np.asarray(grad)), "after zero_grad the gradient is neither None nor 0"
    )


def _constants(expect, Tensor, rng):
    p = Program("c requires no gradient: L = c x + c")
    c, x = p.leaf(draw(rng, (3,)), requires_grad=False), p.leaf(draw(rng, (3,)))
    p.backward(p.add("add", p.add("mul", c, x), c), draw(rng, (3,)))
    compare(expect, Tensor, [p], {"mul": "constants keep .grad None"})

    p = Program("L = x y + x d with d = (x y).detach()")
    x, y = p.leaf(draw(rng, (3,))), p.leaf(draw(rng, (3,)))
    u = p.add("mul", x, y)
    d = p.add("detach", u)
    p.backward(p.add("add", u, p.add("mul", x, d)), draw(rng, (3,)))
    compare(
        expect, Tensor, [p], {"mul": "detach cuts the graph: its result is a constant with the same data"}
    )
    (report,) = run(Tensor, [p], [[d]], expect)
    expect.case(p.case)
    compare_node(expect, report[0], torch_run(p)[d], "the detached tensor", leaf=True)


def _seeds(expect, Tensor, rng):
    for shape in ((), (1,), (1, 1)):
        p = Program(f"backward() without an argument on a result of shape {shape}")
        x = p.leaf(np.full(shape, 3.0))
        p.backward(p.add("mul", x, x))
        compare(expect, Tensor, [p], {"mul": "without an argument the seed is 1, not the value"})

    p = Program("backward with a gradient that is not contiguous in memory, twice")
    x, y = p.leaf(draw(rng, (2, 3))), p.leaf(draw(rng, (2, 3)))
    out = p.add("add", x, y)
    seeds = [p.backward(out, draw(rng, (2, 3)), order="F") for _ in range(2)]
    compare(expect, Tensor, [p], {"add": _ADD})
    (report,) = run(Tensor, [p], [seeds], expect)
    expect.case(p.case)
    hint = "the leaf kept the caller's array and added to it in place: store a copy"
    for call in report:
        expect.equal(call["returned"], True, "the gradient given to backward is unchanged", likely=hint)


def _refusals(expect, Tensor):
    x = Tensor(np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]), requires_grad=True)
    y = x * x
    expect.case("backward() without an argument on a result of shape (2, 3)")
    what = "a result with more than one element needs a gradient argument"
    expect.raises(RuntimeError, y.backward, what=what)
    for shape in ((3,), (2, 1), (1, 3), (3, 2), (), (1, 2, 3)):
        expect.case(f"backward(gradient of shape {shape}) on a result of shape (2, 3)")
        what = "a gradient of another shape is refused, also one that would broadcast"
        expect.raises(ValueError, y.backward, np.ones(shape), what=what)
    expect.case("backward on a result of constants only")
    constant = Tensor(np.array([2.0]))
    expect.raises(RuntimeError, (constant * constant).backward, what="there is nothing to differentiate")
    expect.case("backward on y.detach()")
    what = "a detached tensor has no graph to go back through"
    expect.raises(RuntimeError, y.detach().backward, np.ones((2, 3)), what=what)


def _expression(rng, number: int) -> Program:
    """A random graph of sums and products with many shared nodes."""
    p = Program(f"random graph {number} of sums and products")
    nodes = [p.leaf(draw(rng, (2, 3), high=1.2)) for _ in range(3)]
    for _ in range(int(rng.integers(3, 7))):
        a, b = (int(n) for n in rng.choice(nodes[-4:], size=2))
        nodes.append(p.add(str(rng.choice(["add", "mul"])), a, b))
    p.backward(p.add("add", nodes[-1], nodes[int(rng.integers(len(nodes)))]), rng.normal(size=(2, 3)))
    return p
