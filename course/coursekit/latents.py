"""Looking at codes: a map of decoded images, neighbours, exact t-SNE, and a first small map to show.

Everything takes and returns torch tensors on the CPU; `draw_codes` draws on matplotlib axes.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn
from torch.distributions import Bernoulli, Normal, kl_divergence

from .figures import PALETTE
from .progress import bar

_MARKS = ("o", "s", "^", "D", "v", "P", "X", "*", "<", ">")


def manifold(decode: Callable[[Tensor], Tensor], count: int = 16, reach: float = 2.4) -> np.ndarray:
    """One picture made of `count` x `count` decoded images over the square from -reach to reach.

    `decode` turns codes [k, 2] into images [k, 28, 28] or [k, 784]. The first code runs to the right, the second
    one upwards, as in an ordinary plot.
    """
    axis = torch.linspace(-reach, reach, count)
    codes = torch.cartesian_prod(axis.flip(0), axis).flip(1)  # rows from top to bottom
    with torch.no_grad():
        tiles = decode(codes).reshape(count, count, 28, 28).detach().cpu()
    return tiles.transpose(1, 2).reshape(28 * count, 28 * count).clamp(0, 1).numpy()


def neighbour_accuracy(codes: Tensor, labels: Tensor, test_codes: Tensor, test_labels: Tensor, k: int = 5) -> float:
    """Share of test codes whose `k` nearest codes (Euclidean) vote for the right label.

    codes [N, m], labels [N]; test_codes [M, m], test_labels [M]. A tie goes to the smallest label. Codes that are
    not finite are never right.
    """
    if not (torch.isfinite(codes).all() and torch.isfinite(test_codes).all()):
        return 0.0
    right = 0
    for part, wanted in zip(test_codes.double().split(500), test_labels.split(500), strict=True):
        nearest = torch.cdist(part, codes.double()).topk(k, largest=False).indices  # [500, k]
        votes = torch.nn.functional.one_hot(labels[nearest], int(labels.max()) + 1).sum(dim=1)
        right += int((votes.argmax(dim=1) == wanted).sum())
    return right / len(test_codes)


def draw_codes(ax, codes: Tensor, labels: Tensor, *, legend: bool = False, size: float = 9.0) -> None:
    """Scatter codes [N, 2] with one colour and one mark for each of at most ten labels."""
    for label in range(int(labels.max()) + 1):
        here = labels == label
        ax.scatter(
            *codes[here].T, s=size, marker=_MARKS[label % 10], color=PALETTE[label % 8], label=str(label), alpha=0.75
        )
    if legend:
        ax.legend(markerscale=1.8, fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))


def _affinities(x: Tensor, perplexity: float) -> Tensor:
    """Symmetric neighbour probabilities [N, N]: each row's entropy is log(perplexity), found by bisection."""
    squares = torch.cdist(x, x).pow(2)
    squares.fill_diagonal_(math.inf)
    low, high = torch.zeros(len(x), 1).double(), torch.full((len(x), 1), math.inf).double()
    beta = 1 / squares.where(squares.isfinite(), torch.zeros_like(squares)).mean(dim=1, keepdim=True).clamp(min=1e-12)
    for _ in range(60):
        p = torch.softmax(-beta * squares, dim=1)
        entropy = -(p * p.clamp(min=1e-30).log()).sum(dim=1, keepdim=True)
        wide = entropy > math.log(perplexity)
        low, high = torch.where(wide, beta, low), torch.where(wide, high, beta)
        beta = torch.where(high.isinf(), 2 * beta, (low + high) / 2)
    return (p + p.T) / (2 * len(x))


def tsne(x: Tensor, *, perplexity: float = 30.0, steps: int = 400, seed: int = 0, label: str = "t-SNE") -> Tensor:
    """Exact t-SNE of the rows of x [N, n] in the plane, [N, 2] (van der Maaten and Hinton 2008).

    For N up to about 1,500: memory and time grow with N². Neighbours stay neighbours; distances between clusters
    and their sizes mean little.
    """
    p = _affinities(x.detach().cpu().double(), perplexity).float()
    generator = torch.Generator().manual_seed(seed)
    y = 1e-2 * torch.randn(len(x), 2, generator=generator)
    speed, gain = torch.zeros_like(y), torch.ones_like(y)
    rate = max(len(x) / 12, 50.0)
    with bar(steps, label) as progress:
        for i in range(steps):
            kernel = 1 / (1 + torch.cdist(y, y, compute_mode="donot_use_mm_for_euclid_dist").pow(2))
            kernel.fill_diagonal_(0)
            pull = ((12.0 if i < steps // 4 else 1.0) * p - kernel / kernel.sum()) * kernel
            grad = 4 * (pull.sum(dim=1, keepdim=True) * y - pull @ y)
            gain = torch.where(grad.sign() == speed.sign(), gain * 0.8, gain + 0.2).clamp(min=0.01)
            speed = (0.5 if i < steps // 4 else 0.8) * speed - rate * gain * grad
            y = y + speed
            y = y - y.mean(dim=0)
            progress.update()
    return y


class _FirstMap(nn.Module):
    """Two numbers in the middle, noise on them, and a price for straying from the origin."""

    def __init__(self) -> None:
        super().__init__()
        self.inward = nn.Sequential(nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 4))
        self.outward = nn.Sequential(nn.Linear(2, 256), nn.ReLU(), nn.Linear(256, 784))


def first_map(x: Tensor, steps: int) -> Callable[[Tensor], Tensor]:
    """Train a small map of the pictures x [N, 784] (values in [0, 1]); returns codes [k, 2] -> images [k, 28, 28].

    It is what chapter 08 builds step by step, in the shortest form; torch's own generator is used.
    """
    net = _FirstMap()
    optimizer = torch.optim.Adam(net.parameters(), lr=2e-3)
    with bar(steps, "first map") as progress:
        for _ in range(steps):
            batch = x[torch.randint(len(x), (128,))]
            centre, logvar = net.inward(batch).chunk(2, dim=1)
            code = Normal(centre, logvar.div(2).exp())
            picture = Bernoulli(logits=net.outward(code.rsample()), validate_args=False)
            cost = kl_divergence(code, Normal(0.0, 1.0)).sum(dim=1) - picture.log_prob(batch).sum(dim=1)
            optimizer.zero_grad()
            cost.mean().backward()
            optimizer.step()
            progress.update()
    return lambda codes: torch.sigmoid(net.outward(codes)).reshape(-1, 28, 28).detach()
