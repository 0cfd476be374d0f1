"""Looking at codes: a map of decoded images, neighbours, exact t-SNE, and a first small map to show.

Everything takes and returns torch tensors on the CPU; `draw_codes` draws on matplotlib axes.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

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
            logits = net.outward(centre + (logvar / 2).exp() * torch.randn_like(centre))
            cost = nn.functional.binary_cross_entropy_with_logits(logits, batch, reduction="none").sum(dim=1)
            cost = cost + 0.5 * (centre.pow(2) + logvar.exp() - 1 - logvar).sum(dim=1)
            optimizer.zero_grad()
            cost.mean().backward()
            optimizer.step()
            progress.update()
    return lambda codes: torch.sigmoid(net.outward(codes)).reshape(-1, 28, 28).detach()


def _log_likelihood(x: Tensor, mu: Tensor, log_sigma: Tensor | float) -> Tensor:
    if x.shape != mu.shape:
        raise ValueError("x and mu must have one shape")
    log_sigma = torch.as_tensor(log_sigma, dtype=x.dtype, device=x.device)
    if log_sigma.ndim == 1 and log_sigma.numel() > 1:
        log_sigma = log_sigma.reshape(x.shape[1:])
    return torch.distributions.Normal(mu, log_sigma.exp().expand(x.shape)).log_prob(x).flatten(1).sum(dim=1)


def _reparameterize(mu: Tensor, logvar: Tensor, randn_like: Callable = torch.randn_like) -> Tensor:
    return mu + logvar.div(2).exp() * randn_like(mu)


def _kl(mu: Tensor, logvar: Tensor) -> Tensor:
    q = torch.distributions.Normal(mu, logvar.div(2).exp())
    prior = torch.distributions.Normal(torch.zeros_like(mu), torch.ones_like(mu))
    return torch.distributions.kl_divergence(q, prior).sum(dim=-1)


def _elbo(x: Tensor, encode: Callable, decode: Callable, n_samples: int = 1, randn_like: Callable = torch.randn_like):
    mu, logvar = encode(x)
    rec = torch.stack(
        [_log_likelihood(x, *decode(_reparameterize(mu, logvar, randn_like))) for _ in range(n_samples)]
    ).mean(dim=0)
    return {"elbo": rec - _kl(mu, logvar), "rec": rec, "kl": _kl(mu, logvar)}


# What checks of chapter 08 put in place of a student's functions while another one is tested.
STAND_INS = {
    "gaussian_log_likelihood": _log_likelihood,
    "reparameterize": _reparameterize,
    "kl_standard_normal": _kl,
    "elbo": _elbo,
}
