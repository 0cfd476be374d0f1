"""Small made-up data whose truth is known, and the picture that goes with it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .figures import MARKERS, PALETTE


def spiral(
    rng: np.random.Generator, per_arm: int = 100, arms: int = 3, noise: float = 0.15
) -> tuple[np.ndarray, np.ndarray]:
    """Points on spiral arms: float64 `[arms * per_arm, 2]`, and each point's arm, int64 `[arms * per_arm]`.

    On each arm the radius t runs from 0.1 to 1 and the angle is 4t + 2πk/arms plus normal noise.
    """
    t = np.tile(np.linspace(0.1, 1.0, per_arm), arms)
    arm = np.repeat(np.arange(arms), per_arm)
    angle = 4 * t + 2 * np.pi * arm / arms + rng.normal(0.0, noise, len(t))
    return np.stack([t * np.cos(angle), t * np.sin(angle)], axis=1), arm


def draw_regions(
    ax, classify: Callable, points: np.ndarray, labels: np.ndarray, *, resolution: int = 120
) -> None:
    """Colour the plane by class and draw the points with a marker per class.

    `classify` takes points `[P, 2]` and returns a class (an int below 8) for each; `points` `[N, 2]` and
    `labels` `[N]` are drawn on top and set the range of the axes.
    """
    (left, bottom), (right, top) = points.min(axis=0) - 0.15, points.max(axis=0) + 0.15
    across, up = np.linspace(left, right, resolution), np.linspace(bottom, top, resolution)
    grid = np.stack(np.meshgrid(across, up), axis=-1)
    classes = np.asarray(classify(grid.reshape(-1, 2))).reshape(resolution, resolution)
    count = int(max(classes.max(), labels.max())) + 1
    edges = np.arange(count + 1) - 0.5
    ax.contourf(across, up, classes, levels=edges, colors=PALETTE[:count], alpha=0.22)
    for k in range(count):
        ax.plot(
            *points[labels == k].T, linestyle="", marker=MARKERS[k], markersize=3, color=PALETTE[k]
        )
    ax.set(xlabel="$x_0$", ylabel="$x_1$", aspect="equal")
    ax.grid(False)
