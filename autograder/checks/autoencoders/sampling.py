"""Exercise 6: the reparameterised draw and the closed-form divergences. Oracle: torch.distributions, on this side."""

from __future__ import annotations

import torch
from coursekit.checking import hidden
from torch import distributions as dist

from autograder.checks.autoencoders.noise import called, draws, normal
from autograder.checks.probe import CLOSE, DTYPES, Probe, dtype_name, same

FORBIDDEN = ("torch.distributions.Normal", "torch.distributions.kl_divergence", "torch.distributions.kl.kl_divergence",
             "torch.distributions.MultivariateNormal", "torch.distributions.Independent")  # fmt: skip
_SHAPES = ((5, 3), (2, 4, 3), (3,), (1, 6))


def reparameterize(student):
    """Hidden test of `reparameterize(mu, logvar, randn_like)`."""
    hint = "mu + exp(logvar / 2) * noise: the root of the variance"
    with hidden("Exercise 6: reparameterize") as expect:
        probe = Probe(expect, student, "mu logvar", forbidden=FORBIDDEN, time_limit=10.0)
        for dtype, close in DTYPES:
            for shape in _SHAPES:
                expect.case(f"shape {shape}, prepared noise, {dtype_name(dtype)}")
                mu, logvar, e = (normal(150 + i, *shape, dtype=dtype) for i in range(3))
                source = draws(e)
                upstream = normal(153, *shape, dtype=dtype)
                seen = probe(mu, logvar, randn_like=source, wrt=(0, 1), upstream=upstream)
                called(expect, source, [shape], "it is called once, on mu")
                std = (logvar / 2).exp()
                expect.close(seen.value, mu + std * e, "z", likely=hint, **close)
                expect.dtype(seen.value, dtype, "z")
                expect.close(seen.grads[0], upstream, "the gradient in mu, which is 1 times what comes in", **close)
                what = "the gradient in logvar"
                expect.close(seen.grads[1], upstream * std * e / 2, what, likely="½ exp(logvar / 2) ε", **close)
        expect.case("200 000 default draws")
        mu = torch.tensor([1.0, -2.0], dtype=torch.float64).expand(100_000, 2).contiguous()
        logvar = torch.tensor([0.0, 1.4], dtype=torch.float64).expand(100_000, 2).contiguous()
        z = same(probe(mu, logvar).value)
        std = (logvar[0] / 2).exp()
        # standard errors: 0.3 % of a std for the mean, 0.2 % for the std
        expect.true(bool(((z.mean(dim=0) - mu[0]).abs() < 0.016 * std).all()), "the mean of the draws is not mu")
        expect.true(
            bool(((z.std(dim=0) / std - 1).abs() < 0.012).all()),
            "the standard deviation of the draws is not exp(logvar / 2)",
            likely=hint,
        )
        e = (z - mu) / std
        expect.true(float((e[1:] * e[:-1]).mean().abs()) < 0.016, "the rows get the same or related noise")
        expect.true(float((e[:, 0] * e[:, 1]).mean().abs()) < 0.016, "the latent dimensions get related noise")
        expect.case("the gradient of the mean of z² is 2 mu in mu and sigma² in logvar (100 000 default draws)")
        seen = probe(mu, logvar, wrt=(0, 1), upstream=None)
        # through z itself the gradients are 1 and (z - mu) / 2
        expect.close(seen.grads[0], torch.ones_like(mu), "the gradient of the sum of z in mu", **CLOSE)
        expect.close(
            seen.grads[1], (same(seen.value) - mu) / 2, "the gradient of the sum of z in logvar", rtol=1e-8, atol=1e-10
        )
        for one, other in (((4, 3), (4, 1)), ((4, 3), (3,)), ((3,), (4, 3))):
            expect.case(f"mu {one}, logvar {other}")
            probe.refuses("shapes that differ are refused", torch.zeros(one), torch.zeros(other))


def _compare(expect, probe, args, want, shape, dtype, close, hint) -> None:
    leaves = [a.double().clone().requires_grad_() for a in args]
    value = want(*leaves)
    upstream = normal(160, *shape)
    grads = torch.autograd.grad(value, leaves, upstream)
    seen = probe(*args, wrt=tuple(range(len(args))), upstream=upstream.to(dtype))
    expect.shape(seen.value, shape, "the divergence", likely="add up over the LAST axis only")
    expect.close(seen.value, value, "the divergence", likely=hint, **close)
    expect.dtype(seen.value, dtype, "the divergence")
    for name, got, right in zip(probe.names, seen.grads, grads, strict=False):
        expect.close(got, right, f"the gradient in {name}", likely=hint, **close)


def _divergence(mu_q, logvar_q, mu_p, logvar_p):
    q, p = dist.Normal(mu_q, (logvar_q / 2).exp()), dist.Normal(mu_p, (logvar_p / 2).exp())
    return dist.kl_divergence(q, p).sum(dim=-1)


def _from_prior(mu, logvar):
    return _divergence(mu, logvar, torch.zeros_like(mu), torch.zeros_like(mu))


def kl_standard(student):
    """Hidden test of `kl_standard_normal(mu, logvar)`."""
    hint = "½ Σ (μ² + exp(ℓ) - 1 - ℓ), ℓ the log of the VARIANCE, summed over the last axis"
    with hidden("Exercise 6: the divergence from the prior") as expect:
        probe = Probe(expect, student, "mu logvar", forbidden=FORBIDDEN, time_limit=10.0)
        for dtype, close in DTYPES:
            for shape in _SHAPES:
                expect.case(f"shape {shape}, {dtype_name(dtype)}")
                args = [normal(161 + i, *shape, dtype=dtype) for i in range(2)]
                _compare(expect, probe, args, _from_prior, shape[:-1], dtype, close, hint)
        expect.case("1000 random pairs: never negative, 0 where both agree")
        value = same(probe(normal(163, 1000, 2) * 0.3, normal(164, 1000, 2) * 0.3).value)
        expect.true(bool((value >= 0).all()), "a divergence is negative", likely=hint)
        value = probe(torch.zeros(4, 3, dtype=torch.float64), torch.zeros(4, 3, dtype=torch.float64)).value
        expect.close(value, torch.zeros(4), "the divergence of the prior from itself", rtol=0, atol=1e-12, likely=hint)
        expect.case("logvar = ±15")
        logvar = torch.tensor([[15.0, -15.0]], dtype=torch.float64)
        mu = torch.tensor([[0.1, -3.0]], dtype=torch.float64)
        expect.close(probe(mu, logvar).value, _from_prior(mu, logvar), "the divergence", likely=hint, **CLOSE)
        for one, other in (((4, 3), (4, 1)), ((4, 3), (3,)), ((3,), (4, 3))):
            expect.case(f"mu {one}, logvar {other}")
            probe.refuses("shapes that differ are refused", torch.zeros(one), torch.zeros(other))


def kl_diag(student):
    """Hidden test of `kl_diag_gaussians(mu_q, logvar_q, mu_p, logvar_p)`."""
    hint = "q is the first pair: ½ Σ [ℓp - ℓq + (exp ℓq + (μq - μp)²) / exp ℓp - 1]"
    with hidden("Exercise 6: the divergence of two normal distributions") as expect:
        probe = Probe(expect, student, "mu_q logvar_q mu_p logvar_p", forbidden=FORBIDDEN, time_limit=10.0)
        for dtype, close in DTYPES:
            for q_shape, p_shape in (
                ((5, 3), (5, 3)),
                ((2, 4, 3), (2, 4, 3)),
                ((3,), (3,)),
                ((5, 3), (3,)),
                ((3,), (5, 3)),
            ):
                expect.case(f"q of shape {q_shape}, p of shape {p_shape}, {dtype_name(dtype)}")
                args = [
                    normal(165 + i, *shape, dtype=dtype) for i, shape in enumerate((q_shape, q_shape, p_shape, p_shape))
                ]
                shape = torch.broadcast_shapes(q_shape, p_shape)[:-1]
                _compare(expect, probe, args, _divergence, shape, dtype, close, hint)
        expect.case("q = p")
        mu, logvar = normal(170, 4, 3), normal(171, 4, 3)
        value = probe(mu, logvar, mu, logvar).value
        expect.close(value, torch.zeros(4), "the divergence", rtol=0, atol=1e-12, likely=hint)
        expect.case("log variances of ±15")
        args = [
            torch.tensor([row], dtype=torch.float64) for row in ([0.0, 1.0], [15.0, -15.0], [0.5, 0.0], [14.0, -15.0])
        ]
        value = probe(*args).value
        expect.finite(value, "the divergence")
        expect.close(value, _divergence(*args), "the divergence", rtol=1e-8, likely=hint)
