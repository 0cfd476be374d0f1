"""Exercise 3: noise, the denoising loss, the score of a noisy mixture and its optimal denoiser."""

from __future__ import annotations

import math

import torch
from coursekit.checking import hidden

from autograder.checks.autoencoders.noise import called, draws, normal, statistics
from autograder.checks.probe import CLOSE, DTYPES, Probe, dtype_name, same
from autograder.testing import observe, ship


def corrupt(student):
    """Hidden test of `corrupt(x, sigma, randn_like)`."""
    with hidden("Exercise 3: corrupt") as expect:
        probe = Probe(expect, student, "x sigma", time_limit=10.0)
        for dtype, close in DTYPES:
            for shape, sigma in (((4, 3), 0.5), ((2, 1, 3, 5), 2.0), ((1, 4), 0.0), ((6, 1), 0.04)):
                expect.case(f"x of shape {shape}, sigma = {sigma}, prepared noise, {dtype_name(dtype)}")
                x, e = normal(60, *shape, dtype=dtype), normal(61, *shape, dtype=dtype)
                source = draws(e)
                seen = probe(x, sigma, randn_like=source, wrt=(0,))
                called(expect, source, [shape], "it is called once, on x")
                hint = "x + sigma * noise: sigma is the standard deviation, neither its square nor its root"
                expect.close(seen.value, x + sigma * e, "the corrupted x", likely=hint, **close)
                expect.dtype(seen.value, dtype, "the corrupted x")
                expect.equal(seen.grads[0], torch.ones(shape), "the gradient in x")
        for sigma in (0.3, 2.5):
            expect.case(f"20 000 rows of zeros, sigma = {sigma}, default noise")
            noise = same(probe(torch.zeros(20000, 3, dtype=torch.float64), sigma).value)
            statistics(expect, noise, torch.full((3,), sigma, dtype=torch.float64))
        for sigma in (-0.1, -1e-9):
            expect.case(f"sigma = {sigma}")
            probe.refuses("a negative sigma is refused", torch.zeros(2, 3), sigma)


_STUB = """
    import torch

    class Stub:
        \"\"\"A denoiser that notes what it was given and returns a fixed function of it.\"\"\"

        def __init__(self, kind, other=None):
            self.kind, self.other, self.seen = kind, other, []

        def __call__(self, x):
            self.seen.append(x.detach().clone())
            if self.kind == "identity":
                return x
            if self.kind == "shrink":
                return self.other * x
            return torch.tanh(x) * self.other + 0.3
"""


def dae_loss(student):
    """Hidden test of `dae_loss(denoiser, x, sigma, randn_like)`, with denoisers of the test's own."""
    stub = ship(_STUB, "Stub")
    with hidden("Exercise 3: the denoising loss") as expect:
        probe = Probe(expect, student, "denoiser x sigma", time_limit=20.0)
        for dtype, close in DTYPES:
            for shape, sigma in (((5, 3), 0.5), ((2, 1, 3, 4), 1.5), ((1, 4), 0.0)):
                expect.case(f"x of shape {shape}, sigma = {sigma}, prepared noise, {dtype_name(dtype)}")
                x, e = normal(62, *shape, dtype=dtype), normal(63, *shape, dtype=dtype)
                source, denoiser = draws(e), stub("tanh", 0.7)
                value = probe(denoiser, x, sigma, randn_like=source).value
                called(expect, source, [shape], "it is called once, on x")
                given = denoiser.seen
                expect.true(len(given) == 1, f"the denoiser was called {len(given)} times, not once")
                noisy, hint = x + sigma * e, "the denoiser gets x + sigma * noise"
                expect.close(given[0], noisy, "what the denoiser was given", likely=hint, **close)
                want = (x - (torch.tanh(noisy) * 0.7 + 0.3)).pow(2).sum() / len(x)
                hint = "compare with the CLEAN x; sum over all dimensions of an example, mean over the batch"
                expect.shape(value, (), "the loss, one number")
                expect.close(value, want, "the loss", likely=hint, **close)
                expect.dtype(value, dtype, "the loss")

        expect.case("the gradient reaches the denoiser")
        shrink = ship(_GRADIENT, "gradient")
        x, e = normal(64, 6, 3), normal(65, 6, 3)
        leaf = torch.tensor(0.6, dtype=torch.float64, requires_grad=True)
        want = (x - leaf * (x + 0.5 * e)).pow(2).sum() / len(x)
        (grad,) = torch.autograd.grad(want, leaf)
        came = observe(shrink, student, x, e, 0.5, time_limit=10.0).value
        expect.true(came is not None, "the loss cannot be differentiated in the denoiser's parameters")
        expect.close(came, grad, "the gradient in a parameter of the denoiser", **CLOSE)

        for sigma in (0.5, 2.0):
            expect.case(f"the identity on 20 000 rows of 3, sigma = {sigma}, default noise")
            value = float(probe(stub("identity"), torch.ones(20000, 3, dtype=torch.float64), sigma).value)
            # standard error: D sigma² sqrt(2 / 60 000), 0.6 %
            expect.true(
                abs(value / (3 * sigma**2) - 1) < 0.03,
                f"the loss is {value / (3 * sigma**2):.3g} times D sigma²: the price of doing nothing is D sigma²",
            )
        expect.case("N(0, 4.64) with noise of 1: shrinking by 0.82 costs 0.82")
        x = (4.64**0.5) * normal(66, 20000, 1)
        value = float(probe(stub("shrink", 0.82), x, 1.0).value)
        hint = "fresh noise for every row; the target is the clean x"
        expect.true(abs(value - 0.8227) < 0.04, f"the loss of a denoiser that shrinks is {value:.3f}", likely=hint)
        for sigma in (-0.1, -2.0):
            expect.case(f"sigma = {sigma}")
            probe.refuses("a negative sigma is refused", stub("identity"), torch.zeros(2, 3), sigma)


_GRADIENT = """
    import torch

    def gradient(loss, x, e, sigma):
        factor = torch.tensor(0.6, dtype=x.dtype, requires_grad=True)
        value = loss(lambda t: factor * t, x, sigma, randn_like=lambda t: e)
        if not isinstance(value, torch.Tensor) or not value.requires_grad:
            return None
        return torch.autograd.grad(value, factor)[0]
"""


def _log_density(xt, w, mu, variance):
    squares = (xt[:, None] - mu).pow(2).sum(dim=2)
    logs = torch.where(w > 0, w.clamp(min=1e-300).log(), torch.full_like(w, -math.inf)) - squares / (2 * variance)
    return torch.logsumexp(logs, dim=1) - mu.shape[1] / 2 * math.log(2 * math.pi * variance)


def _true_score(xt, w, mu, s2, sigma):
    leaf = xt.double().requires_grad_()
    (grad,) = torch.autograd.grad(_log_density(leaf, w.double(), mu.double(), s2 + sigma**2).sum(), leaf)
    return grad


_SETTINGS = (
    (7, 3, 2, 0.4, 0.7),
    (5, 1, 2, 2.0, 0.5),
    (4, 2, 1, 0.3, 1.5),
    (3, 4, 5, 1.0, 0.6),
    (6, 3, 2, 0.0, 0.8),
    (4, 2, 2, 0.25, 0.5),
    (1, 2, 3, 0.5, 0.2),
)


def _mixture(seed: int, B: int, K: int, D: int, dtype):
    w = normal(seed, K).exp()
    w = (w / w.sum()).to(dtype)
    if dtype == torch.float32:
        w = (w.double() / w.double().sum()).float()
    return normal(seed + 1, B, D, dtype=dtype) * 2, w, 1.5 * normal(seed + 2, K, D, dtype=dtype)


def _refusals(expect, probe) -> None:
    xt, mu = torch.zeros(2, 3), torch.zeros(2, 3)
    w = torch.tensor([0.5, 0.5])
    for case, bad in (
        ("sigma = -0.5", (xt, w, mu, 1.0, -0.5)),
        ("weights 0.5 and 0.6", (xt, torch.tensor([0.5, 0.6]), mu, 1.0, 1.0)),
        ("weights 0.5 and 0.4", (xt, torch.tensor([0.5, 0.4]), mu, 1.0, 1.0)),
        ("weights 0.5 and 0.5001", (xt, torch.tensor([0.5, 0.5001]), mu, 1.0, 1.0)),
        ("weights that sum to 1.0000015", (xt.double(), w.double() + 0.75e-6, mu.double(), 1.0, 1.0)),
        ("weights 1.5 and -0.5", (xt, torch.tensor([1.5, -0.5]), mu, 1.0, 1.0)),
        ("s2 = sigma = 0", (xt, w, mu, 0.0, 0.0)),
    ):
        expect.case(case)
        what = "a negative sigma, weights that are no distribution and s2 + sigma² = 0 are refused"
        probe.refuses(what, *bad)


def score(student):
    """Hidden test of `noisy_mixture_score(xt, w, mu, s2, sigma)`: the gradient of a log density written here."""
    with hidden("Exercise 3: the score of the noisy density") as expect:
        probe = Probe(expect, student, "xt w mu s2 sigma", time_limit=10.0)
        hint = "s² + σ² in the exponent AND below (μ - x); log w inside the softmax, which runs over the components"
        for B, K, D, s2, sigma in _SETTINGS:
            for dtype, tol in ((torch.float64, 1e-9), (torch.float32, 1e-4)):
                expect.case(f"{B} points, K = {K}, D = {D}, s2 = {s2}, sigma = {sigma}, {dtype_name(dtype)}")
                xt, w, mu = _mixture(70, B, K, D, dtype)
                came = probe(xt, w, mu, s2, sigma).value
                expect.close(came, _true_score(xt, w, mu, s2, sigma), "the score", rtol=tol, atol=tol, likely=hint)
                expect.dtype(came, dtype, "the score")
        expect.case("one of three weights is 0")
        xt, _, mu = _mixture(71, 5, 3, 2, torch.float64)
        w = torch.tensor([0.3, 0.0, 0.7], dtype=torch.float64)
        want = _true_score(xt, w[[0, 2]], mu[[0, 2]], 0.5, 0.5)
        expect.close(probe(xt, w, mu, 0.5, 0.5).value, want, "the score", rtol=1e-9, atol=1e-9)
        expect.case("a point at 1000, peaks 1 apart, sigma = 0.5")
        far = torch.tensor([[1000.0, -1000.0]], dtype=torch.float64)
        mu, w = (
            torch.tensor([[0.0, 0.0], [1.0, 0.0]], dtype=torch.float64),
            torch.tensor([0.5, 0.5], dtype=torch.float64),
        )
        hint = "far away every exp is 0: softmax of the logarithms stays finite"
        came = probe(far, w, mu, 0.0, 0.5).value
        expect.finite(came, "the score", likely=hint)
        expect.close(came, (mu[1:] - far) / 0.25, "the score", rtol=1e-9, likely=hint)
        expect.case("sigma = 0: the score of the clean data")
        xt, w, mu = _mixture(72, 4, 2, 3, torch.float64)
        expect.close(
            probe(xt, w, mu, 0.6, 0.0).value, _true_score(xt, w, mu, 0.6, 0.0), "the score", rtol=1e-9, atol=1e-9
        )
        _refusals(expect, probe)


def _posterior_mean(xt, w, mu, s2, sigma):
    """E[x | xt] in one dimension by brute force on a grid."""
    x = torch.linspace(-12, 12, 200_001, dtype=torch.float64)
    prior = (w * torch.exp(-((x[:, None] - mu[:, 0]) ** 2) / (2 * s2))).sum(dim=1)
    weights = prior * torch.exp(-((xt - x) ** 2) / (2 * sigma**2))  # [B, grid]
    return ((weights * x).sum(dim=1) / weights.sum(dim=1))[:, None]


def denoiser(student):
    """Hidden test of `optimal_denoiser(xt, w, mu, s2, sigma)`: the posterior mean by quadrature."""
    with hidden("Exercise 3: the optimal denoiser") as expect:
        probe = Probe(expect, student, "xt w mu s2 sigma", time_limit=10.0)
        hint = "x + σ² times the score of the NOISY density (variance s² + σ²)"
        expect.case("one dimension, K = 2, s2 = 0.25, sigma = 0.8: the mean of x given what was observed")
        w, mu = torch.tensor([0.3, 0.7], dtype=torch.float64), torch.tensor([[-1.0], [2.0]], dtype=torch.float64)
        xt = torch.linspace(-3, 4, 11, dtype=torch.float64)[:, None]
        right = _posterior_mean(xt, w, mu, 0.25, 0.8)
        expect.close(probe(xt, w, mu, 0.25, 0.8).value, right, "the estimate", rtol=1e-8, atol=1e-8, likely=hint)
        for B, K, D, s2, sigma in _SETTINGS:
            for dtype, tol in ((torch.float64, 1e-9), (torch.float32, 1e-4)):
                expect.case(f"{B} points, K = {K}, D = {D}, s2 = {s2}, sigma = {sigma}, {dtype_name(dtype)}")
                xt, w, mu = _mixture(73, B, K, D, dtype)
                came = probe(xt, w, mu, s2, sigma).value
                want = xt.double() + sigma**2 * _true_score(xt, w, mu, s2, sigma)
                expect.close(came, want, "the estimate", rtol=tol, atol=tol, likely=hint)
                expect.dtype(came, dtype, "the estimate")
        expect.case("sigma = 0: the points themselves")
        xt, w, mu = _mixture(74, 5, 3, 2, torch.float64)
        expect.close(probe(xt, w, mu, 0.5, 0.0).value, xt, "the estimate", rtol=1e-12, atol=1e-12, likely=hint)
        expect.case("s2 = 0: an average of the means, near one of them that mean")
        near = mu[[2, 0]] + 0.01
        came = probe(near, torch.full((3,), 1 / 3, dtype=torch.float64), mu, 0.0, 0.05).value
        expect.close(came, mu[[2, 0]], "the estimate", rtol=0, atol=1e-6, likely=hint)
        expect.case("one of three weights is 0")
        w = torch.tensor([0.3, 0.0, 0.7], dtype=torch.float64)
        want = xt + 0.25 * _true_score(xt, w[[0, 2]], mu[[0, 2]], 0.5, 0.5)
        expect.close(probe(xt, w, mu, 0.5, 0.5).value, want, "the estimate", rtol=1e-9, atol=1e-9)
        expect.case("a point at 1000, peaks 1 apart")
        far = torch.tensor([[1000.0]], dtype=torch.float64)
        mu, w = torch.tensor([[0.0], [1.0]], dtype=torch.float64), torch.tensor([0.5, 0.5], dtype=torch.float64)
        came = probe(far, w, mu, 0.0, 0.5).value
        expect.finite(came, "the estimate", likely="far away every exp is 0: softmax of the logarithms stays finite")
        expect.close(came, [[1.0]], "the estimate", rtol=1e-6)
        _refusals(expect, probe)
