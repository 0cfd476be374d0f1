"""Drawings of computational graphs: values above the nodes, gradients below, arrows in forward direction.

    nodes = [Node("x", 1.0, 96.0), Node("y", 2.0, 96.0), Node("s", 3.0, 96.0, parents=("x", "y"), op="+")]
    draw_graph(ax, nodes)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from .figures import COLOR

FORWARD, BACKWARD, CLOSED = COLOR["blue"], COLOR["vermillion"], "#999999"
SYMBOLS = {"*": "×", "/": "÷"}


@dataclass(frozen=True)
class Node:
    """One quantity of a graph.

    `name`: unique; `value`, `grad`: numbers, arrays, texts or None (not drawn); `parents`: names of the nodes
    it is computed from; `op`: the operation (drawn in the node; leaves show their name);
    `flows`: the gradient sent to each parent, drawn at the edges; an edge with flow 0 is drawn dotted.
    """

    name: str
    value: Any = None
    grad: Any = None
    parents: tuple[str, ...] = ()
    op: str = ""
    flows: tuple[Any, ...] | None = None


def nodes_of(output, names: Mapping[str, Any] | None = None, *, flows: bool = False) -> list[Node]:
    """The nodes below `output`, parents before children.

    `output` is a tensor of an engine whose tensors have `data`, `grad`, `op` and `edges`, the latter pairs
    (parent, vjp) with `vjp` the map from this node's gradient to its share of the parent's. `names` maps
    names to tensors; the others are called t1, t2, ... With `flows=True` the shares are computed and drawn.
    """
    known = {id(tensor): name for name, tensor in (names or {}).items()}
    nodes: dict[int, Node] = {}

    def visit(tensor) -> str:
        if id(tensor) in nodes:
            return nodes[id(tensor)].name
        parents = tuple(visit(parent) for parent, _ in tensor.edges)
        shares = None
        if flows and tensor.grad is not None:
            shares = tuple(vjp(tensor.grad) for _, vjp in tensor.edges)
        name = known.get(id(tensor), f"t{len(nodes) + 1}")
        nodes[id(tensor)] = Node(name, tensor.data, tensor.grad, parents, tensor.op, shares)
        return name

    visit(output)
    return list(nodes.values())


def draw_graph(
    ax,
    nodes: Sequence[Node],
    *,
    at: Mapping[str, tuple[float, float]] | None = None,
    title: str | None = None,
    fontsize: float = 10,
) -> None:
    """Draw the nodes (parents before children) on `ax`.

    `at` gives places (column, height) by name; without it leaves are stacked and every other node stands to
    the right of its parents. Raises `ValueError` for a parent that is not among the nodes before it.
    """
    seen: set[str] = set()
    for node in nodes:
        missing = [parent for parent in node.parents if parent not in seen]
        if missing:
            raise ValueError(f"node {node.name!r} needs {missing[0]!r}, which does not come before it")
        seen.add(node.name)
    places = _layout(nodes) | dict(at or {})
    for node in nodes:
        for i, parent in enumerate(node.parents):
            _edge(ax, places[parent], places[node.name], node.flows[i] if node.flows else None, fontsize)
    for node in nodes:
        _node(ax, node, places[node.name], fontsize)
    columns, heights = zip(*places.values(), strict=True)
    ax.set_xlim(min(columns) - 0.5, max(columns) + 0.5)
    ax.set_ylim(min(heights) - 0.75, max(heights) + 0.75)
    ax.axis("off")
    if title:
        ax.set_title(title)


def _layout(nodes: Sequence[Node]) -> dict[str, tuple[float, float]]:
    by_name = {node.name: node for node in nodes}
    column: dict[str, int] = {}
    for node in nodes:
        column[node.name] = 1 + max((column[parent] for parent in node.parents), default=-1)
    for node in nodes:
        if not node.parents:
            users = [column[other.name] for other in nodes if node.name in other.parents]
            column[node.name] = min(users, default=1) - 1

    height: dict[str, float] = {}

    def place(name: str) -> None:
        if name in height:
            return
        parents = by_name[name].parents
        for parent in parents:
            place(parent)
        if parents:
            height[name] = float(np.mean([height[parent] for parent in parents]))
        else:
            height[name] = -1.25 * sum(1 for placed in height if not by_name[placed].parents)

    for node in reversed(nodes):
        place(node.name)
    for each in set(column.values()):
        members = sorted((n for n in column if column[n] == each), key=lambda n: -height[n])
        for above, below in pairwise(members):
            height[below] = min(height[below], height[above] - 1.1)
    return {name: (float(column[name]), height[name]) for name in column}


def _text(value) -> str:
    if isinstance(value, str):
        return value
    array = np.asarray(value)
    # + 0.0 turns -0.0 into 0
    return f"{array.item() + 0.0:.4g}" if array.size == 1 else "shape " + "×".join(map(str, array.shape))


def _node(ax, node: Node, place: tuple[float, float], fontsize: float) -> None:
    x, y = place
    fill = "#FFFFFF" if node.parents else "#E6E6E6"
    box = {"boxstyle": "circle,pad=0.35", "facecolor": fill, "edgecolor": "#444444"}
    label = SYMBOLS.get(node.op, node.op) or node.name
    ax.text(x, y, label, ha="center", va="center", fontsize=fontsize, bbox=box, zorder=3)
    if node.value is not None:
        ax.annotate(
            _text(node.value), (x, y), (0, 1.7 * fontsize), textcoords="offset points", ha="center",
            va="bottom", color=FORWARD, fontsize=fontsize, zorder=4,
        )  # fmt: skip
    if node.grad is not None:
        ax.annotate(
            _text(node.grad), (x, y), (0, -1.7 * fontsize), textcoords="offset points", ha="center",
            va="top", color=BACKWARD, fontsize=fontsize, fontweight="bold", zorder=4,
        )  # fmt: skip


def _edge(ax, start: tuple[float, float], end: tuple[float, float], flow, fontsize: float) -> None:
    closed = flow is not None and not isinstance(flow, str) and not np.any(np.asarray(flow))
    style = {
        "arrowstyle": "-|>",
        "color": CLOSED if closed else "#444444",
        "linestyle": ":" if closed else "-",
        "shrinkA": 1.5 * fontsize,
        "shrinkB": 1.5 * fontsize,
    }
    ax.annotate("", end, start, arrowprops=style, zorder=1)
    if flow is not None:
        middle = (np.asarray(start) + np.asarray(end)) / 2
        ax.annotate(
            _text(flow), middle, (0, -2), textcoords="offset points", ha="center", va="top",
            color=CLOSED if closed else BACKWARD, fontsize=fontsize - 1.5, zorder=4,
            bbox={"boxstyle": "round,pad=0.1", "facecolor": "white", "edgecolor": "none"},
        )  # fmt: skip
