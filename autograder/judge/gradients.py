"""Gradients across the wire, in both directions and to any order.

A tensor that requires grad is sent with a word about where it belongs:

* in a request, ``["a", number]``: one of the sender's own tensors. The receiver works on a leaf of its own (a
  twin) that remembers the number.
* in an answer, ``["p", number]``: a leaf of the answering side, such as a parameter of a module. The receiver
  keeps one twin of it, whose `.grad` it sends back when `backward()` adds to it.
* in an answer, ``["g", number, sources]``: a result that was computed. `sources` are the leaves it was
computed
  from: twins of the receiver's tensors, or leaves of the answering side. The receiver makes it the output
  of a `FarFunction` of these, whose backward asks the answering side for the gradients; asked with grad
  mode on, these come back as computed results themselves, which is all that double backward needs.
"""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Iterator
from typing import Any

import torch

from .values import TORCH_DTYPES, TORCH_NAMES, Side
from .wire import WireError

MAX_GRAPH = 100_000  # nodes walked to find a result's leaves
MAX_SOURCES = 2_000


class Gradients(Side):
    """The half of a peer that keeps objects and graphs by number."""

    def __init__(self) -> None:
        self.kept: dict[int, list] = {}  # number: [object, how often sent]; handles, graphs and leaves alike
        self.number_of: dict[int, int] = {}  # id of a kept object: its number
        self.released: list[list[int]] = []  # [number, how often received] of the other side's
        self.mine: dict[int, torch.Tensor] = {}  # own tensors sent as arguments
        self.twins: dict[int, torch.Tensor] = {}  # of the other side's leaves
        self.mode = "result"
        self.last = 0

    @contextlib.contextmanager
    def sending(self, mode: str) -> Iterator[None]:
        """Whether what is encoded in the block are "arguments" or a "result"."""
        before, self.mode = self.mode, mode
        try:
            yield
        finally:
            self.mode = before

    def keep(self, value: Any) -> int:
        """The number under which `value` is kept for the other side."""
        number = self.number_of.get(id(value))
        if number is None:
            self.last += 1
            number = self.number_of[id(value)] = self.last
            self.kept[number] = [value, 0]
        self.kept[number][1] += 1
        return number

    def forget(self, number: int, times: Any) -> None:
        """The other side has let go of what it received so many times."""
        entry = self.kept.get(number)
        if entry is None or type(times) is not int:
            return
        entry[1] -= times
        if entry[1] <= 0:
            del self.kept[number]
            self.number_of.pop(id(entry[0]), None)

    def look_up(self, number: Any) -> Any:
        """The object kept under this number. `WireError` if there is none."""
        entry = self.kept.get(number) if type(number) is int else None
        if entry is None:
            raise WireError("no such handle")
        return entry[0]

    # ---------------------------------------------------------------------------------- tensors, outgoing

    def tensor_out(self, tensor: torch.Tensor) -> list:
        if self.mode == "arguments":
            self.last += 1
            self.mine[self.last] = tensor
            return ["a", self.last, bool(tensor.is_leaf)]
        if tensor.is_leaf and _far_number(tensor) is None:
            return ["p", self.keep(tensor)]
        leaves = _leaves(tensor)
        return ["g", self.keep(_Graph(tensor, leaves)), [self._source(leaf) for leaf in leaves]]

    def _source(self, leaf: torch.Tensor) -> list:
        number = _far_number(leaf)
        if number is not None:
            return ["a", number]
        return ["p", self.keep(leaf), TORCH_NAMES[leaf.dtype], list(leaf.shape)]

    def gradients_of(self, number: Any, wanted: Any, upstream: Any) -> list:
        """Answer the backward of a result that was sent: gradients to the leaves with these positions."""
        graph = self.look_up(number)
        if type(graph) is not _Graph or type(upstream) is not torch.Tensor or type(wanted) is not list:
            raise WireError("no such result")
        if not all(type(i) is int and 0 <= i < len(graph.leaves) for i in wanted):
            raise WireError("no such source")
        if upstream.shape != graph.tensor.shape:
            raise WireError("a gradient of another shape")
        create = torch.is_grad_enabled()
        with torch.enable_grad():
            found = torch.autograd.grad(
                graph.tensor,
                [graph.leaves[i] for i in wanted],
                upstream,
                retain_graph=True,
                create_graph=create,
                allow_unused=True,
            )
        return list(found)

    def add_to_grad(self, number: Any, delta: Any) -> torch.Tensor:
        """Add what `backward()` on the other side brought to a leaf of this side; returns the new `.grad`."""
        leaf = self.look_up(number)
        if not isinstance(leaf, torch.Tensor) or not leaf.is_leaf or not isinstance(delta, torch.Tensor):
            raise WireError("no such leaf")
        with torch.no_grad():
            leaf.grad = delta.detach().clone() if leaf.grad is None else leaf.grad + delta.detach()
        return leaf.grad

    # ---------------------------------------------------------------------------------- tensors, incoming

    def tensor_in(self, tensor: torch.Tensor, extra: Any) -> torch.Tensor:
        if type(extra) is not list or len(extra) < 2 or type(extra[1]) is not int:
            raise WireError("a tensor that requires grad for no reason")
        if extra[0] == "a" and len(extra) == 3 and type(extra[2]) is bool:
            twin = tensor.requires_grad_()
            twin._far_number = extra[1]
            # What was computed over there may be changed in place here as well: it is no leaf.
            return twin if extra[2] or not torch.is_grad_enabled() else twin.clone()
        if extra[0] == "p" and len(extra) == 2:
            return self._twin_of_leaf(extra[1], tensor)
        if extra[0] == "g" and len(extra) == 3 and type(extra[2]) is list and len(extra[2]) <= MAX_SOURCES:
            sources = [self._source_in(source) for source in extra[2]]
            return FarFunction.apply(_Token(self, extra[1]), tensor, *sources)
        raise WireError("a tensor that requires grad for an unknown reason")

    def _source_in(self, source: Any) -> torch.Tensor:
        if type(source) is not list or len(source) not in (2, 4) or type(source[1]) is not int:
            raise WireError("not a source")
        if source[0] == "a" and len(source) == 2:
            if source[1] not in self.mine:
                raise WireError("no such tensor")
            return self.mine[source[1]]
        if source[0] != "p" or len(source) != 4:
            raise WireError("not a source")
        if source[1] in self.twins:
            return self.twins[source[1]]
        name, shape = source[2:]
        if type(name) is not str or name not in TORCH_DTYPES or not TORCH_DTYPES[name].is_floating_point:
            raise WireError("not a dtype")
        if type(shape) is not list or len(shape) > 16 or not all(type(n) is int and n >= 0 for n in shape):
            raise WireError("not a shape")
        empty = torch.zeros((), dtype=TORCH_DTYPES[name]).expand(shape)  # its numbers come when asked for
        return self._twin_of_leaf(source[1], empty)

    def _twin_of_leaf(self, number: int, tensor: torch.Tensor) -> torch.Tensor:
        twin = self.twins.get(number)
        if twin is None or twin.shape != tensor.shape or twin.dtype != tensor.dtype:
            twin = self.twins[number] = tensor.detach().requires_grad_()
            _tell_gradients(twin, number, weakref.ref(self))
        else:
            twin.data = tensor.detach()
        twin.grad = tensor.grad
        return twin

    def send_grad(self, number: int, twin: torch.Tensor, arrived: torch.Tensor) -> None:
        """Tell the other side what `backward()` brought to the twin of its leaf; take over the sum from there."""
        with torch.no_grad():
            total = self.request("add grad", number, arrived)
        if type(total) is not torch.Tensor or total.shape != twin.shape or total.dtype != twin.dtype:
            raise WireError("not a gradient")
        twin.grad = total.detach()

    def request(self, operation: str, *arguments: Any) -> Any:
        """Ask the other side (see `peer`)."""
        raise NotImplementedError


class _Graph:
    """A result that was sent, with the leaves it was computed from."""

    def __init__(self, tensor: torch.Tensor, leaves: list[torch.Tensor]):
        self.tensor = tensor
        self.leaves = leaves


class _Token:
    """Held by the graph of this side: when it goes, the other side may forget its part."""

    def __init__(self, peer: Gradients, number: int):
        self.peer = peer
        self.number = number

    def __del__(self) -> None:
        self.peer.released.append([self.number, 1])


class FarFunction(torch.autograd.Function):
    """A result that the other side computed, as a function of tensors of this side."""

    @staticmethod
    def forward(ctx: Any, token: _Token, value: torch.Tensor, *sources: torch.Tensor) -> torch.Tensor:
        ctx.token = token
        ctx.kinds = [(source.shape, source.dtype) for source in sources]
        return value.detach()

    @staticmethod
    def backward(ctx: Any, upstream: torch.Tensor) -> tuple:
        peer = ctx.token.peer
        wanted = [i for i, needed in enumerate(ctx.needs_input_grad[2:]) if needed]
        found = peer.request("gradients", ctx.token.number, wanted, upstream)
        if type(found) is not list or len(found) != len(wanted):
            raise WireError("not gradients")
        grads: list[torch.Tensor | None] = [None] * len(ctx.kinds)
        for i, grad in zip(wanted, found, strict=True):
            if grad is None:
                continue
            shape, dtype = ctx.kinds[i]
            if type(grad) is not torch.Tensor or grad.shape != shape or grad.dtype != dtype:
                raise WireError("a gradient of another shape or dtype")
            grads[i] = grad
        return (None, None, *grads)


def _tell_gradients(twin: torch.Tensor, number: int, peer: weakref.ref[Gradients]) -> None:
    """Have every gradient that reaches `twin` by `backward()` sent.

    torch keeps the hooks where the garbage collector does not look: they must not hold what holds the twin.
    """
    arrived: list[torch.Tensor] = []

    def arrives(grad: torch.Tensor) -> None:
        arrived[:] = [grad.detach()]

    def is_added(leaf: torch.Tensor) -> None:
        told = peer()
        if told is not None:
            told.send_grad(number, leaf, arrived.pop())

    twin.register_hook(arrives)
    twin.register_post_accumulate_grad_hook(is_added)


def _far_number(tensor: torch.Tensor) -> int | None:
    number = getattr(tensor, "_far_number", None)
    return number if type(number) is int else None


def _leaves(tensor: torch.Tensor) -> list[torch.Tensor]:
    """The leaves that a result was computed from, each once."""
    if tensor.grad_fn is None:
        return [tensor]
    found: dict[int, torch.Tensor] = {}
    seen, waiting = {tensor.grad_fn}, [tensor.grad_fn]
    while waiting and len(seen) < MAX_GRAPH:
        node = waiting.pop()
        variable = getattr(node, "variable", None)
        if variable is not None:
            found[id(variable)] = variable
        for below, _ in node.next_functions:
            if below is not None and below not in seen:
                seen.add(below)
                waiting.append(below)
    return list(found.values())[:MAX_SOURCES]
