"""Surfaces, paths and the picture of a race."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from coursekit import figures
from coursekit.landscapes import descend, draw_race, draw_surface, quadratic, rosenbrock, saddle

SURFACES = [quadratic(), quadratic(100.0, 30.0), rosenbrock(), saddle()]


def sgd(lr: float, momentum: float = 0.0):
    return lambda params: torch.optim.SGD(params, lr=lr, momentum=momentum)


@pytest.mark.parametrize("surface", SURFACES, ids=lambda s: s.name)
def test_gradients_agree_with_central_differences(surface):
    h = 1e-6
    for x, y in [surface.start, (0.3, -0.7), (-1.1, 0.4)]:
        by_hand = surface.gradient(x, y)
        numeric = (
            (surface.value(x + h, y) - surface.value(x - h, y)) / (2 * h),
            (surface.value(x, y + h) - surface.value(x, y - h)) / (2 * h),
        )
        np.testing.assert_allclose(by_hand, numeric, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("surface", SURFACES, ids=lambda s: s.name)
def test_minima_are_minima_and_start_and_minima_are_in_the_picture(surface):
    left, right, bottom, top = surface.window
    for x, y in (*surface.minima, surface.start):
        assert left < x < right and bottom < y < top
    for x, y in surface.minima:
        np.testing.assert_allclose(surface.gradient(x, y), (0, 0), atol=1e-12)
        assert surface.value(x, y) == pytest.approx(surface.lowest)
        around = [surface.value(x + 0.01 * dx, y + 0.01 * dy) for dx in (-1, 0, 1) for dy in (-1, 0, 1) if dx or dy]
        assert min(around) > surface.lowest


def test_the_condition_number_and_the_angle_are_what_they_say():
    surface = quadratic(25.0, 40.0)
    columns = [surface.gradient(1.0, 0.0), surface.gradient(0.0, 1.0)]
    eigenvalues, vectors = np.linalg.eigh(np.array(columns))
    np.testing.assert_allclose(eigenvalues, [1 / 25, 1.0])
    flat = np.degrees(np.arctan2(vectors[1, 0], vectors[0, 0])) % 180
    assert flat == pytest.approx(40.0)
    with pytest.raises(ValueError):
        quadratic(0.5)


def test_a_path_is_that_of_the_optimiser():
    path = descend(sgd(0.5), quadratic(10.0), 3)
    assert path.shape == (4, 2) and path.dtype == torch.float64
    shrink = torch.tensor([1 - 0.05, 0.5], dtype=torch.float64)
    for t in range(4):
        torch.testing.assert_close(path[t], shrink**t * torch.tensor([-1.7, 0.9], dtype=torch.float64))


def test_a_path_that_diverges_stays_finite():
    path = descend(sgd(2.5), quadratic(), 200)
    assert bool(path.isfinite().all())
    assert float(path[-1].abs().max()) > 1e5
    assert torch.equal(path[-1], path[-2])


def test_a_path_with_nan_stays_finite():
    class Breaks:
        def __init__(self, params):
            self.p = params[0]

        def step(self):
            self.p.data = self.p.data * float("nan")

    path = descend(Breaks, quadratic(), 5)
    assert bool(path.isfinite().all())


@pytest.mark.parametrize("surface", SURFACES, ids=lambda s: s.name)
def test_a_race_is_drawn_with_a_legend_from_best_to_worst(surface):
    paths = {"slow": descend(sgd(1e-4), surface, 30), "lost": descend(sgd(50.0), surface, 30)}
    paths["fast"] = descend(sgd(1e-3, 0.9), surface, 30)
    fig = figures.blank((9, 3.6))
    draw_race(fig, surface, paths)
    left, right = fig.axes
    names = [text.get_text() for text in right.get_legend().get_texts()]
    assert set(names) == set(paths) and names[-1] == "lost" and names[0] == "fast"
    assert right.get_ylim()[1] < 1e6
    assert left.get_xlim() == pytest.approx(surface.window[:2])
    assert figures.png(fig)


def test_an_empty_race_is_the_surface_alone():
    fig = figures.blank((9, 3.6))
    draw_race(fig, saddle(), {})
    assert fig.axes[1].get_legend() is None
    fig = figures.blank()
    draw_surface(fig.subplots(), saddle())
    assert figures.png(fig)
