"""Surfaces over the plane for watching optimisers at work: values, gradients, paths and the picture of a race.

    surface = quadratic(kappa=30.0)
    path = descend(lambda params: torch.optim.SGD(params, lr=0.1), surface, steps=100)
    draw_race(fig, surface, {"gradient descent": path})

Everything is float64 on the CPU: two numbers gain nothing from a GPU.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .figures import line_style

FAR = 1e6


@dataclass(frozen=True)
class Landscape:
    """A function of two variables.

    `value(x, y)` takes numbers or arrays of one shape, `gradient(x, y)` returns the pair of partial
    derivatives; `start` is where paths begin, `minima` where they should end, `lowest` the value there, and
    `window` the part to draw: (left, right, bottom, top).
    """

    name: str
    value: Callable
    gradient: Callable
    start: tuple[float, float]
    minima: tuple[tuple[float, float], ...]
    lowest: float
    window: tuple[float, float, float, float]


def quadratic(kappa: float = 30.0, angle: float = 0.0) -> Landscape:
    """(u²/kappa + v²) / 2: a valley of condition number `kappa` along u, turned by `angle` degrees.

    The steepest curvature is 1 whatever `kappa`, so gradient descent is stable up to a step of 2.
    """
    if kappa < 1:
        raise ValueError(f"a condition number is at least 1, got {kappa}")
    c, s = math.cos(math.radians(angle)), math.sin(math.radians(angle))

    def value(x, y):
        u, v = c * x + s * y, c * y - s * x
        return (u * u / kappa + v * v) / 2

    def gradient(x, y):
        u, v = (c * x + s * y) / kappa, c * y - s * x
        return c * u - s * v, s * u + c * v

    start = (-1.7 * c - 0.9 * s, -1.7 * s + 0.9 * c)
    name = f"quadratic, κ = {kappa:.3g}"
    return Landscape(name, value, gradient, start, ((0.0, 0.0),), 0.0, (-2.2, 2.2, -1.8, 1.8))


def rosenbrock(steepness: float = 100.0) -> Landscape:
    """(1 - x)² + steepness (y - x²)²: a bent valley, easy to find and hard to follow (Rosenbrock 1960)."""

    def value(x, y):
        return (1 - x) ** 2 + steepness * (y - x * x) ** 2

    def gradient(x, y):
        return -2 * (1 - x) - 4 * steepness * x * (y - x * x), 2 * steepness * (y - x * x)

    return Landscape("Rosenbrock", value, gradient, (-1.2, 1.0), ((1.0, 1.0),), 0.0, (-1.8, 1.8, -0.8, 2.2))


def saddle(offset: float = 1e-3) -> Landscape:
    """x²/2 - y²/2 + y⁴/4: a saddle point at the origin between the minima (0, -1) and (0, 1).

    Paths start `offset` beside the ridge y = 0, from which only noise or luck would take gradient descent.
    """

    def value(x, y):
        return x * x / 2 - y * y / 2 + y**4 / 4

    def gradient(x, y):
        return x, y**3 - y

    minima = ((0.0, -1.0), (0.0, 1.0))
    return Landscape("saddle", value, gradient, (-1.6, offset), minima, -0.25, (-2.0, 1.2, -1.5, 1.5))


def descend(make: Callable[[list], object], surface: Landscape, steps: int) -> Tensor:
    """The path of an optimiser, `[steps + 1, 2]` with the start as row 0, float64.

    `make([p])` builds the optimiser for one parameter `p` `[2]`; its `step()` is called with `p.grad` set. A
    path that leaves for infinity stays where it was when it got farther than a million.
    """
    p = torch.nn.Parameter(torch.tensor(surface.start, dtype=torch.float64))
    optimizer = make([p])
    path = torch.empty(steps + 1, 2, dtype=torch.float64)
    path[0] = p.detach()
    for t in range(1, steps + 1):
        x, y = p.tolist()
        p.grad = torch.tensor(surface.gradient(x, y), dtype=torch.float64)
        optimizer.step()
        path[t] = p.detach()
        if not float(path[t].abs().max()) < FAR:
            path[t:] = path[t - 1]
            break
    return path


def draw_surface(ax, surface: Landscape, *, levels: int = 9, resolution: int = 80) -> None:
    """Contours of the surface, denser near the bottom, with a star at each minimum."""
    left, right, bottom, top = surface.window
    x, y = np.meshgrid(np.linspace(left, right, resolution), np.linspace(bottom, top, resolution))
    # the root spreads the contours of a parabola evenly
    height = np.sqrt(np.maximum(surface.value(x, y) - surface.lowest, 0))
    # few, light and opaque greys: paths of any colour stand out, and the PNG stays small
    greys = [str(grey) for grey in np.linspace(0.99, 0.8, levels)]
    heights = np.linspace(0, height.max(), levels + 1)
    ax.contourf(x, y, height, levels=heights, colors=greys, antialiased=False)
    ax.contour(x, y, height, levels=heights[1:-1], colors="#8C8C8C", linewidths=0.5)
    for minimum in surface.minima:
        ax.plot(*minimum, marker="*", color="black", markersize=11, linestyle="", zorder=6)
    ax.set(xlim=(left, right), ylim=(bottom, top), xlabel="$w_1$", ylabel="$w_2$")
    ax.grid(False)


def draw_race(fig, surface: Landscape, paths: Mapping[str, Tensor], *, title: str | None = None) -> None:
    """The paths on the surface (left) and how far above the minimum they still are, step by step (right).

    Legend in the right panel, sorted by the loss at the end. `paths` maps names to what `descend` returns.
    """
    left, right = fig.subplots(1, 2, width_ratios=[1.15, 1])
    draw_surface(left, surface)
    left.set_title(title or surface.name)
    left.plot(*surface.start, marker="o", color="black", markersize=6, linestyle="", zorder=6)
    ends = {}
    for i, (name, path) in enumerate(paths.items()):
        path = path.numpy()
        style = line_style(i)
        marker = style.pop("marker")
        left.plot(*path.T, **style, linewidth=1.4)
        left.plot(*path[-1], marker=marker, color=style["color"], markersize=7, markeredgecolor="white", zorder=7)
        gap = np.maximum(surface.value(*path.T) - surface.lowest, 1e-12)
        (line,) = right.semilogy(gap, **style, marker=marker, markevery=max(1, len(gap) // 6), markersize=4)
        ends[name] = (gap[-1], line)
    ranked = sorted(ends, key=lambda name: ends[name][0])
    right.set(title="loss above the minimum", xlabel="step")
    if ranked:
        last = [gap for gap, _ in ends.values()]
        right.set_ylim(min(last) / 10, min(max(*last, 10.0), 1e4) * 3)
        lines = [ends[name][1] for name in ranked]
        right.legend(lines, ranked, fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
