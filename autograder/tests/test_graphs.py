"""Drawings of graphs, and toy data."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from coursekit.figures import figure
from coursekit.graphs import CLOSED, Node, draw_graph, nodes_of
from coursekit.toys import draw_regions, spiral


def texts(ax) -> list[str]:
    return [text.get_text() for text in ax.texts if text.get_text()]


def test_values_gradients_and_flows_are_drawn_with_closed_edges_dotted():
    _, ax = figure()
    draw_graph(ax, [Node("x", 2.0, -0.0), Node("y", 1.5, 7.0), Node("m", 2.0, 1.0, ("x", "y"), "max", (0.0, 7.0))])
    assert sorted(texts(ax)) == sorted(["x", "2", "0", "y", "1.5", "7", "max", "2", "1", "0", "7"])
    closed = [text for text in ax.texts if text.get_text() == "0" and text.get_color() == CLOSED]
    arrows = [text.arrow_patch for text in ax.texts if getattr(text, "arrow_patch", None) is not None]
    assert len(closed) == 1
    assert [arrow.get_linestyle() for arrow in arrows if arrow is not None] == [":", "-"]


def test_every_node_stands_right_of_its_parents_and_none_on_another():
    nodes = [Node("a", 1), Node("b", 2), Node("s", 3, parents=("a", "b")), Node("c", 4)]
    nodes += [Node("t", 5, parents=("s", "c")), Node("u", 6, parents=("a", "t"))]
    _, ax = figure()
    draw_graph(ax, nodes)
    at = {text.get_text(): text.get_position() for text in ax.texts if text.get_text() in "abcstu"}
    for node in nodes:
        assert all(at[parent][0] < at[node.name][0] for parent in node.parents)
    assert len({(round(x, 6), round(y, 6)) for x, y in at.values()}) == len(nodes)


def test_a_parent_that_is_not_there_is_refused():
    _, ax = figure()
    with pytest.raises(ValueError, match="'z'"):
        draw_graph(ax, [Node("f", 1.0, parents=("z",))])


def test_an_engines_graph_is_walked_once_with_the_flow_along_each_edge():
    x = SimpleNamespace(data=np.array(3.0), grad=np.array(2.0), edges=(), op="")
    f = SimpleNamespace(data=np.array(6.0), grad=np.array(1.0), op="+", edges=((x, lambda g: g), (x, lambda g: 4 * g)))
    first, last = nodes_of(f, {"x": x}, flows=True)
    assert (first.name, first.parents, last.parents) == ("x", (), ("x", "x"))
    assert [float(flow) for flow in last.flows] == [1.0, 4.0]


def test_the_spiral_has_its_radii_arms_and_a_stream_of_its_own():
    points, arm = spiral(np.random.default_rng(0), per_arm=20)
    assert points.shape == (60, 2)
    assert np.bincount(arm).tolist() == [20, 20, 20]
    assert np.allclose(np.hypot(*points.T).reshape(3, 20), np.linspace(0.1, 1.0, 20))
    straight, _ = spiral(np.random.default_rng(1), per_arm=5, arms=1, noise=0.0)
    assert np.allclose(np.arctan2(straight[0, 1], straight[0, 0]), 0.4)
    assert np.array_equal(points, spiral(np.random.default_rng(0), per_arm=20)[0])


def test_regions_ask_for_every_class_and_draw_every_point():
    points, arm = spiral(np.random.default_rng(0), per_arm=10)
    asked = []
    _, ax = figure()
    draw_regions(ax, lambda p: asked.append(p.shape) or (p[:, 0] > 0).astype(int), points, arm, resolution=30)
    assert asked == [(900, 2)]
    assert sum(len(line.get_xdata()) for line in ax.lines) == 30
