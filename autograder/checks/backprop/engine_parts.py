"""Exercise 3: matmul, reductions, and shapes and indexing."""

from __future__ import annotations

from functools import cache

import numpy as np
from coursekit.checking import hidden

from autograder.checks.backprop.engine import check_gradient, compare, draw, twice
from autograder.checks.backprop.programs import Program, const, run, torch_run

_MATMUL_HINTS = {
    "matmul": "for C = A B: dA = dC B^T and dB = A^T dC, with the LAST TWO axes exchanged in a batch, and "
    "summed over the batch axes that were broadcast"
}


def engine_matmul(Tensor):
    """Hidden test of `@`: two matrices, and batches of them with broadcasting."""
    with hidden("Exercise 3: matrix products") as expect:
        compare(expect, Tensor, _matmul(), _MATMUL_HINTS)
        _if_supported(expect, Tensor, _vectors(), _MATMUL_HINTS)


def _if_supported(expect, Tensor, programs: list[Program], hints: dict[str, str]) -> None:
    """Beyond what the points are for: such operands may be refused, but a result must not be wrong."""
    for program in programs:
        try:
            run(Tensor, [program], [[]], expect)
        except Exception:
            continue
        compare(expect, Tensor, [program], hints)


@cache
def _vectors() -> list[Program]:
    rng = np.random.default_rng(226)
    programs = []
    for a, b in (((3,), (3, 4)), ((2, 3), (3,)), ((3,), (3,)), ((4, 2, 3), (3,)), ((3,), (4, 3, 5))):
        p = Program(f"A @ B with A of shape {a}, B of shape {b}")
        x, y = p.leaf(draw(rng, a)), p.leaf(draw(rng, b))
        programs.append(
            twice(p, rng, lambda p=p, x=x, y=y: p.add("matmul", x, y), (np.ones(a) @ np.ones(b)).shape)
        )
    return programs


@cache
def _matmul() -> list[Program]:
    rng = np.random.default_rng(222)
    pairs = [((2, 3), (3, 4)), ((1, 3), (3, 1)), ((5, 2), (2, 3)), ((4, 1), (1, 3))]
    batched = [
        ((4, 2, 3), (4, 3, 5)),
        ((2, 3), (4, 3, 5)),
        ((4, 2, 3), (3, 5)),
        ((1, 2, 3), (4, 3, 5)),
        ((4, 1, 2, 3), (5, 3, 6)),
        ((2, 1, 3, 4), (1, 5, 4, 6)),
    ]
    programs = []
    for a, b in [*pairs, *batched]:
        p = Program(f"A @ B with A of shape {a}, B of shape {b}")
        x, y = p.leaf(draw(rng, a)), p.leaf(draw(rng, b))
        shape = (*np.broadcast_shapes(a[:-2], b[:-2]), a[-2], b[-1])
        programs.append(twice(p, rng, lambda p=p, x=x, y=y: p.add("matmul", x, y), shape))
    p = Program("A @ A with A of shape (3, 3)")
    x = p.leaf(draw(rng, (3, 3)))
    programs.append(twice(p, rng, lambda: p.add("matmul", x, x), (3, 3)))
    for needs in ((True, False), (False, True), (False, False)):
        q = Program(f"A @ B where requires_grad is {needs[0]} for A and {needs[1]} for B")
        x, y = (q.leaf(draw(rng, s), requires_grad=n) for s, n in zip(((2, 3), (3, 4)), needs, strict=True))
        z = q.add("matmul", x, y)
        if any(needs):
            q.backward(z, draw(rng, (2, 4)))
        programs.append(q)
    for reflected in (False, True):
        q = Program("array @ B" if reflected else "A @ array")
        x, array = (
            q.leaf(draw(rng, (3, 4) if reflected else (2, 3))),
            draw(rng, (2, 3) if reflected else (3, 4)),
        )
        operands = (const(array), x) if reflected else (x, const(array))
        programs.append(twice(q, rng, lambda q=q, o=operands: q.add("matmul", *o), (2, 4)))
    q = Program("A @ (B @ C) with shapes (2, 3), (3, 4), (4, 5)")
    x, y, z = (q.leaf(draw(rng, s)) for s in ((2, 3), (3, 4), (4, 5)))
    q.backward(q.add("matmul", x, q.add("matmul", y, z)), draw(rng, (2, 5)))
    programs.append(q)
    return programs


_REDUCTION_HINTS = {
    "sum": "every summed entry gets the upstream gradient: put the reduced axes back, then broadcast",
    "mean": "like sum, divided by the number of entries that were averaged",
    "max": "upstream goes to the largest entry along the axis, nowhere else: put the reduced axis back, mask",
}


def engine_reductions(Tensor):
    """Hidden test of `sum`, `mean` and `max`."""
    with hidden("Exercise 3: sum, mean and max") as expect:
        compare(expect, Tensor, _reductions(), _REDUCTION_HINTS)
        _if_supported(expect, Tensor, _maxima_over_several_axes(), _REDUCTION_HINTS)
        _ties(expect, Tensor)


@cache
def _reductions() -> list[Program]:
    rng = np.random.default_rng(223)
    programs = []
    for operation in ("sum", "mean"):
        for axis in (None, 0, 1, 2, -1, -2, (0, 2), (1, -1), (0, 1, 2)):
            for keepdims in (False, True):
                programs.append(_reduction(rng, operation, (2, 3, 4), {"axis": axis, "keepdims": keepdims}))
        programs.append(_reduction(rng, operation, (2, 3), {}))
        programs.append(_reduction(rng, operation, (), {}))
        programs.append(_reduction(rng, operation, (1, 3), {"axis": 0}))
    for shape, axes in (((2, 3, 4), (0, 1, 2, -1, -3)), ((5,), (0,)), ((1, 3), (0, 1))):
        for axis in axes:
            for keepdims in (False, True):
                programs.append(_reduction(rng, "max", shape, {"axis": axis, "keepdims": keepdims}))
    for keepdims in (False, True):
        programs.append(_reduction(rng, "max", (2, 3, 4), {"axis": None, "keepdims": keepdims}))
    programs.append(_reduction(rng, "max", (2, 3), {}))
    for operation in ("sum", "mean", "max"):
        p = Program(f"x.{operation}(axis=0) where x requires no gradient")
        p.add(operation, p.leaf(draw(rng, (2, 3)), requires_grad=False), axis=0)
        programs.append(p)
        p = Program(f"u.{operation}(axis=0, keepdims=True) * u with u = x * y, shape (1, 3)")
        x, y = p.leaf(draw(rng, (1, 3))), p.leaf(draw(rng, (1, 3)))
        u = p.add("mul", x, y)
        p.backward(p.add("mul", p.add(operation, u, axis=0, keepdims=True), u), draw(rng, (1, 3)))
        programs.append(p)
    return programs


@cache
def _maxima_over_several_axes() -> list[Program]:
    rng = np.random.default_rng(227)
    axes = [(axis, keepdims) for axis in ((0, 2), (1, -1)) for keepdims in (False, True)]
    return [_reduction(rng, "max", (2, 3, 4), {"axis": a, "keepdims": k}) for a, k in axes]


def _reduction(rng, operation: str, shape: tuple, parameters: dict) -> Program:
    words = ", ".join(f"{k}={v}" for k, v in parameters.items())
    p = Program(f"x.{operation}({words}), x of shape {shape}")
    x = p.leaf(_distinct(rng, shape))
    probe = Program("", list(p.steps))
    probe.add(operation, x, **parameters)
    out = tuple(torch_run(probe)[-1].shape)
    return twice(p, rng, lambda: p.add(operation, x, **parameters), out)


def _distinct(rng, shape: tuple) -> np.ndarray:
    """Different numbers of both signs, mostly negative, in random order: no ties."""
    n = int(np.prod(shape, dtype=int))
    return (rng.permutation(n) - 0.7 * n).reshape(shape) + rng.uniform(0, 0.5, size=shape)


def _ties(expect, Tensor):
    x = np.array([[3.0, 1.0, 3.0, 3.0], [-2.0, -2.0, -5.0, -2.5], [0.0, 0.0, 0.0, 0.0]])
    upstream = np.array([2.0, -3.0, 0.5])
    for keepdims in (False, True):
        p = Program(f"x.max(axis=1, keepdims={keepdims}) with ties")
        node = p.leaf(x)
        out = p.add("max", node, axis=1, keepdims=keepdims)
        p.backward(out, upstream[:, None] if keepdims else upstream)
        (report,) = run(Tensor, [p], [[node, out]], expect)
        expect.case(p.case)
        best = x.max(axis=1, keepdims=keepdims)
        expect.close(report[1]["data"], best, "the maximum")
        expect.shape(report[0]["grad"], x.shape, "the gradient")
        share = np.asarray(report[0]["grad"]) / upstream[:, None]
        hint = "copying upstream to all tied entries counts it several times: share it, or pick one"
        expect.close(share.sum(axis=1), np.ones(3), "the sum of the shares of tied entries", likely=hint)
        expect.true(share >= -1e-12, "a share of a tie is negative")
        expect.true(
            share[x < x.max(axis=1, keepdims=True)] == 0, "an entry that is not largest got a gradient"
        )


_SHAPE_HINTS = {
    "reshape": "the gradient is the upstream gradient, reshaped back to the shape of the operand",
    "transpose": "the gradient is the transpose of the upstream gradient",
    "T": "the gradient is the transpose of the upstream gradient",
    "getitem": "start from zeros of the operand's shape and add with np.add.at(zeros, index, upstream): an "
    "entry that was picked twice gets both gradients",
}


def engine_indexing(Tensor):
    """Hidden test of `reshape`, `transpose`, `.T` and indexing."""
    with hidden("Exercise 3: shapes and indexing") as expect:
        compare(expect, Tensor, _indexing(), _SHAPE_HINTS)
        _repeated(expect, Tensor)


@cache
def _indexing() -> list[Program]:
    rng = np.random.default_rng(224)
    programs = []
    for shape, new in (
        ((2, 3), (3, 2)),
        ((2, 3), (6,)),
        ((2, 3, 4), (4, -1)),
        ((6,), (1, 2, 3)),
        ((), (1, 1)),
    ):
        p = Program(f"x.reshape{new}, x of shape {shape}")
        x = p.leaf(draw(rng, shape))
        out = np.empty(shape).reshape(new).shape
        programs.append(twice(p, rng, lambda p=p, x=x, new=new: p.add("reshape", x, shape=new), out))
    for operation in ("transpose", "T"):
        p = Program(f"x.{operation}{'()' if operation == 'transpose' else ''}, x of shape (2, 3)")
        x = p.leaf(draw(rng, (2, 3)))
        programs.append(twice(p, rng, lambda p=p, x=x, o=operation: p.add(o, x), (3, 2)))
    p = Program("x.T.reshape(2, 3).T, x of shape (2, 3)")
    x = p.leaf(draw(rng, (2, 3)))
    p.backward(p.add("T", p.add("reshape", p.add("T", x), shape=(2, 3))), draw(rng, (3, 2)))
    programs.append(p)
    for words, shape, index in _INDICES:
        p = Program(f"x[{words}], x of shape {shape}")
        x = p.leaf(draw(rng, shape))
        out = np.empty(shape)[index].shape
        programs.append(twice(p, rng, lambda p=p, x=x, i=index: p.add("getitem", x, index=i), out))
    for operation, parameters in (("reshape", {"shape": (6,)}), ("T", {}), ("getitem", {"index": 1})):
        p = Program(f"{operation} of a tensor that requires no gradient")
        p.add(operation, p.leaf(draw(rng, (2, 3)), requires_grad=False), **parameters)
        programs.append(p)
    return programs


_INDICES = [
    ("1", (3, 4), 1),
    ("-1", (5,), -1),
    ("2, 0", (3, 4), (2, 0)),
    ("1:3", (5, 2), slice(1, 3)),
    ("::2", (5, 2), slice(None, None, 2)),
    (":, 1", (2, 3), (slice(None), 1)),
    (":, 1:3", (2, 4), (slice(None), slice(1, 3))),
    ("[0, 0, 2]", (3,), [0, 0, 2]),
    ("array([0, 0, 2])", (3, 2), np.array([0, 0, 2])),
    ("array([[1, 1], [0, 1]])", (3, 2), np.array([[1, 1], [0, 1]])),
    ("[0, 1, 1, 1], [2, 0, 0, 1]", (2, 3), (np.array([0, 1, 1, 1]), np.array([2, 0, 0, 1]))),
    (":, array([1, 1, 0])", (2, 3), (slice(None), np.array([1, 1, 0]))),
]


def _repeated(expect, Tensor):
    p = Program("x[[0, 0, 2]], upstream (1, 10, 100)")
    x = p.leaf(np.array([1.0, -2.0, 3.0, 4.0]))
    p.backward(p.add("getitem", x, index=[0, 0, 2]), np.array([1.0, 10.0, 100.0]))
    (report,) = run(Tensor, [p], [[x]], expect)
    expect.case(p.case)
    check_gradient(
        expect, report[0]["grad"], [11.0, 0.0, 100.0, 0.0], "the gradient of x", _SHAPE_HINTS["getitem"]
    )
    p = Program("x[::-1], x of shape (3,)")
    x = p.leaf(np.array([1.0, -2.0, 3.0]))
    p.backward(p.add("getitem", x, index=slice(None, None, -1)), np.array([1.0, 2.0, 3.0]))
    (report,) = run(Tensor, [p], [[x]], expect)
    expect.case(p.case)
    check_gradient(expect, report[0]["grad"], [3.0, 2.0, 1.0], "the gradient of x", _SHAPE_HINTS["getitem"])
