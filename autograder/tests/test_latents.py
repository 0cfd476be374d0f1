"""What chapter 08 uses to look at codes: the map, the neighbours, t-SNE, and the stand-ins of its checks."""

from __future__ import annotations

import math

import numpy as np
import torch
from coursekit.figures import figure
from coursekit.latents import draw_codes, first_map, manifold, neighbour_accuracy, tsne

from autograder.checks.autoencoders.standins import stand_ins


def blobs(n: int, seed: int):
    """Two clouds far apart in 6-D, with labels."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(n) % 2
    return torch.randn(n, 6, generator=generator) + 10 * labels[:, None], labels


def test_the_map_has_the_first_code_to_the_right_and_the_second_upwards():
    def decode(codes):
        image = torch.zeros(len(codes), 28, 28)
        image[:, 0], image[:, 1] = codes[:, :1], codes[:, 1:]
        return image

    picture = manifold(decode, count=3, reach=0.9)
    assert picture.shape == (84, 84)
    rows, columns = picture[0::28], picture[1::28]  # the rows that hold the first and the second code
    assert np.allclose(rows[0, ::28], [0, 0, 0.9]) and np.allclose(rows[2, ::28], [0, 0, 0.9])
    assert np.allclose(columns[:, 0], [0.9, 0, 0])


def test_neighbours_of_separate_clouds_are_right_and_those_of_noise_are_not():
    (x, y), (x_test, y_test) = blobs(60, 0), blobs(40, 1)
    assert neighbour_accuracy(x, y, x_test, y_test) == 1.0
    assert neighbour_accuracy(x, y, x_test, 1 - y_test) == 0.0
    noise = torch.randn(40, 6, generator=torch.Generator().manual_seed(2))
    assert 0.2 < neighbour_accuracy(torch.randn(60, 6), y, noise, y_test) < 0.8
    assert neighbour_accuracy(x, y, x_test * math.nan, y_test) == 0.0


def test_tsne_keeps_separate_clouds_apart_and_is_the_same_twice():
    x, y = blobs(60, 3)
    flat = tsne(x, perplexity=10, steps=150)
    assert flat.shape == (60, 2) and torch.isfinite(flat).all()
    assert neighbour_accuracy(flat, y, flat, y) >= 0.9
    assert torch.equal(flat, tsne(x, perplexity=10, steps=150))


def test_codes_are_drawn_with_a_mark_for_each_label():
    _, ax = figure()
    draw_codes(ax, torch.randn(30, 2), torch.arange(30) % 10, legend=True)
    assert len(ax.collections) == 10 and len(ax.get_legend().get_texts()) == 10


def test_the_first_map_decodes_codes_to_images():
    torch.manual_seed(0)
    decode = first_map(torch.rand(50, 784), steps=2)
    images = decode(torch.zeros(3, 2))
    assert images.shape == (3, 28, 28) and images.min() >= 0 and images.max() <= 1


def test_the_stand_ins_agree_with_closed_forms():
    right = stand_ins()
    mu, logvar = torch.tensor([[1.0, 0.0]]), torch.tensor([[math.log(0.25), 0.0]])
    assert math.isclose(float(right["kl_standard_normal"](mu, logvar)), 0.818147, rel_tol=1e-5)
    z = right["reparameterize"](mu, logvar, lambda t: torch.ones_like(t))
    assert torch.allclose(z, torch.tensor([[1.5, 1.0]]))
    x = torch.zeros(2, 1, 2, 2)
    value = right["gaussian_log_likelihood"](x, x, torch.tensor([0.0, 0.1, 0.2, 0.3]))
    assert torch.allclose(value, torch.full((2,), -2 * math.log(2 * math.pi) - 0.6))
    parts = right["elbo"](torch.zeros(1, 3), lambda x: (mu, logvar), lambda z: (torch.zeros(1, 3), 0.0), 2)
    assert torch.allclose(parts["elbo"], parts["rec"] - parts["kl"])
    assert math.isclose(float(parts["rec"]), -1.5 * math.log(2 * math.pi), rel_tol=1e-5)
