"""Small programs over a student's `Tensor` or `Dual`, run in one call where the student's code lives.

A program is a list of steps `(operation, operands, parameters)`. Every step makes one node; an operand is
the index of an earlier node or `const(value)`, a plain number or array that the operator gets as it is. The
same program runs on the student's class (`RUNNER`, shipped) and on torch (`torch_run`, the oracle), so
thousands of operations cost one call across processes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from autograder.testing import observe, ship

# Engines are written by hand: torch's own would do the exercise.
NO_TORCH_AUTOGRAD = (
    *("torch.autograd.backward", "torch.autograd.grad", "torch.Tensor.backward"),
    "torch.autograd.forward_ad.make_dual",
)

RUNNER = """
    import operator
    import numpy as np

    OPERATORS = {
        "add": operator.add, "sub": operator.sub, "mul": operator.mul, "div": operator.truediv,
        "pow": operator.pow, "matmul": operator.matmul, "neg": operator.neg,
    }

    def plain(value):
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, (np.ndarray, np.generic, int, float)):
            return np.array(value)
        return "an object of type " + type(value).__name__

    def seed_of(seed, order):
        seed = np.array(seed)
        # the same numbers, laid out in memory column by column
        return np.asfortranarray(seed) if order == "F" else seed

    def apply(make, nodes, operation, operands, parameters):
        args = [nodes[o] if type(o) is int else o["const"] for o in operands]
        if operation == "leaf":
            return make(*[np.array(a) for a in args], **parameters)
        if operation in OPERATORS:
            return OPERATORS[operation](*args)
        if operation == "chain":
            return chain(parameters["by"], args[0], args[1], parameters["times"])
        if operation == "getitem":
            return args[0][parameters["index"]]
        if operation == "T":
            return args[0].T
        if operation == "backward":
            seed = parameters.get("seed")
            if seed is None:
                return args[0].backward()
            given = seed_of(seed, parameters.get("order"))
            before = given.copy()
            args[0].backward(given)
            return bool(np.array_equal(given, before))
        if operation == "mutate":
            args[0].data[...] = np.array(args[1])
            return None
        if operation == "reshape":
            return args[0].reshape(*parameters["shape"])
        return getattr(args[0], operation)(**parameters)

    def chain(operation, node, value, times):
        for _ in range(times):
            node = OPERATORS[operation](node, value)
        return node

    def run(make, programs):
        reports = []
        for steps, wanted in programs:
            nodes = []
            for operation, operands, parameters in steps:
                nodes.append(apply(make, nodes, operation, operands, parameters))
            report = []
            for index in wanted:
                node = nodes[index]
                if node is None or isinstance(node, bool):
                    report.append({"returned": node})
                else:
                    names = ("data", "grad", "requires_grad", "shape", "val", "dot")
                    parts = {name: getattr(node, name) for name in names if hasattr(node, name)}
                    shape = parts.pop("shape", None)
                    parts = {name: plain(value) for name, value in parts.items()}
                    parts["shape"] = tuple(shape) if isinstance(shape, (tuple, list)) else None
                    parts["type"] = type(node).__name__
                    report.append(parts)
            reports.append(report)
        return reports
"""


def const(value: Any) -> dict:
    """An operand that is a plain number or array, not a node."""
    return {"const": value}


@dataclass
class Program:
    """Steps in order; each method that adds one returns the index of its node."""

    case: str
    steps: list[tuple] = field(default_factory=list)
    nodes: list[Any] | None = None

    def leaf(self, *data: Any, requires_grad: bool | None = True) -> int:
        """A tensor made from data; `requires_grad=None` leaves the argument out."""
        parameters = {} if requires_grad is None else {"requires_grad": requires_grad}
        return self.add("leaf", *map(const, data), **parameters)

    def add(self, operation: str, *operands: int | dict, **parameters: Any) -> int:
        """Any operation."""
        self.steps.append((operation, list(operands), parameters))
        return len(self.steps) - 1

    def oracle(self) -> list[Any]:
        """torch's nodes; worked out once, so a program must be complete by then."""
        if self.nodes is None:
            self.nodes = torch_run(self)
        return self.nodes

    def backward(self, node: int, seed: Any = None, **parameters: Any) -> int:
        """Backward from a node, with a seed gradient or without."""
        return self.add("backward", node, **({} if seed is None else {"seed": seed}), **parameters)


def run(
    make: Any, programs: list[Program], nodes: list[list[int]], expect, **options: Any
) -> list[list[dict]]:
    """The reports of these nodes of each program, run on the student's class in one call.

    An exception is met a second time in the one program that raises it, so that `expect` knows its case.
    """
    runner = ship(RUNNER, "run")
    packed = [(p.steps, wanted) for p, wanted in zip(programs, nodes, strict=True)]
    options = {"forbidden": NO_TORCH_AUTOGRAD, "time_limit": 20.0, **options}
    if len(programs) == 1:
        expect.case(programs[0].case)
        return observe(runner, make, packed, **options).value
    try:
        return observe(runner, make, packed, **options).value
    except Exception:
        for program, one in zip(programs, packed, strict=True):
            expect.case(program.case)
            observe(runner, make, [one], **options)
        raise


def torch_run(program: Program, leaves: list[Any] | None = None) -> list[Any]:
    """The same program on torch in float64: its nodes (None where a step makes none).

    `leaves`: tensors to use in place of the program's own leaves, in order.
    """
    nodes: list[Any] = []
    given = iter(leaves or ())
    for operation, operands, parameters in program.steps:
        if leaves is not None and operation == "leaf":
            nodes.append(next(given))
            continue
        args = [nodes[o] if type(o) is int else o["const"] for o in operands]
        nodes.append(_torch_apply(operation, args, parameters))
    return nodes


def _tensor(value: Any) -> Any:
    return (
        torch.as_tensor(value, dtype=torch.float64) if isinstance(value, np.ndarray | np.generic) else value
    )


_TORCH = {
    "add": torch.add,
    "sub": torch.subtract,
    "mul": torch.multiply,
    "div": torch.divide,
    "matmul": torch.matmul,
    "pow": torch.pow,
    "neg": torch.neg,
}


def _torch_apply(operation: str, args: list, parameters: dict) -> Any:
    if operation == "leaf":
        data = torch.tensor(np.array(args[0], dtype=np.float64))
        return data.requires_grad_(bool(parameters.get("requires_grad")))
    args = [_tensor(a) for a in args]
    first = args[0]
    if operation in _TORCH:
        if operation != "pow":
            args = [torch.tensor(a, dtype=torch.float64) if isinstance(a, int | float) else a for a in args]
        return _TORCH[operation](*args)
    if operation == "backward":
        seed = parameters.get("seed")
        # a scalar root: torch loads a symbolic algebra system where backward is given a gradient
        root = first if seed is None else (first * torch.tensor(np.asarray(seed))).sum()
        root.sum().backward(retain_graph=True)
        return None
    if operation in ("sum", "mean", "max"):
        axis, keepdims = parameters.get("axis"), parameters.get("keepdims", False)
        axes = tuple(range(first.ndim)) if axis is None else axis
        return {"sum": torch.sum, "mean": torch.mean, "max": torch.amax}[operation](first, axes, keepdims)
    if operation == "getitem":
        index = parameters["index"]
        index = index if isinstance(index, tuple) else (index,)
        return first[tuple(torch.as_tensor(i) if isinstance(i, np.ndarray | list) else i for i in index)]
    if operation in ("T", "transpose"):
        return first.T
    if operation == "reshape":
        return first.reshape(*parameters["shape"])
    if operation == "zero_grad":
        first.grad = None
        return None
    return getattr(first, operation)()


def torch_jvp(fn: Any, values: tuple, tangents: tuple) -> tuple:
    """(fn(values), its directional derivative) by two reverse passes, each from a scalar."""
    inputs = tuple(v.detach().requires_grad_() for v in values)
    out = fn(*inputs)
    weights = torch.zeros_like(out, requires_grad=True)
    parts = torch.autograd.grad((out * weights).sum(), inputs, create_graph=True, allow_unused=True)
    total = sum((g * t).sum() for g, t in zip(parts, tangents, strict=True) if g is not None)
    flat = torch.zeros_like(out).detach()
    if not getattr(total, "requires_grad", False):  # a constant
        return out.detach(), flat
    (tangent,) = torch.autograd.grad(total, weights, allow_unused=True)
    return out.detach(), flat if tangent is None else tangent
