"""Exercise 7: the Gaussian likelihood, the bound, the VAE.

The key oracle is a linear decoder with orthogonal columns: its posterior is known, is normal and has a diagonal
covariance, so that the bound can be compared with the exact log-likelihood (probabilistic PCA).
"""

from __future__ import annotations

import math

import torch
from coursekit.checking import hidden
from torch import distributions as dist

from autograder.checks.autoencoders.noise import called, draws, normal, orthonormal, uniform
from autograder.checks.autoencoders.standins import stand_ins
from autograder.checks.probe import DTYPES, Probe, dtype_name, same
from autograder.testing import observe, ship


def _log_normal(x, mu, log_sigma):
    return dist.Normal(mu, log_sigma.exp().expand(x.shape)).log_prob(x).flatten(1).sum(dim=1)


def log_likelihood(student):
    """Hidden test of `gaussian_log_likelihood(x, mu, log_sigma)`."""
    hint = "-½ log 2π - log σ - ½ (x - mu)² / σ² for EVERY dimension, with log_sigma = log of the standard deviation"
    with hidden("Exercise 7: the Gaussian log-likelihood") as expect:
        probe = Probe(expect, student, "x mu log_sigma", time_limit=10.0)
        for dtype, close in DTYPES:
            for shape in ((4, 3), (4, 1, 2, 5), (1, 6), (3, 2, 2), (3, 2, 1)):
                x, mu = normal(180, *shape, dtype=dtype), normal(181, *shape, dtype=dtype)
                n = math.prod(shape[1:])
                for form, given, like in (
                    ("a float", 0.3, torch.tensor(0.3, dtype=dtype)),
                    ("a negative float", -1.2, torch.tensor(-1.2, dtype=dtype)),
                    ("of shape (1,)", torch.tensor([0.4], dtype=dtype), None),
                    (f"of shape ({n},)", 0.5 * normal(182, n, dtype=dtype), shape[1:]),
                    ("like x", 0.5 * normal(183, *shape, dtype=dtype), None),
                ):
                    expect.case(f"x of shape {shape}, log_sigma {form}, {dtype_name(dtype)}")
                    tensor = isinstance(given, torch.Tensor)
                    leaves = [x.clone().requires_grad_(), mu.clone().requires_grad_()]
                    log_sigma = given.clone().requires_grad_() if tensor else like
                    leaves += [log_sigma] if tensor else []
                    want = _log_normal(leaves[0], leaves[1], log_sigma.reshape(like) if tensor and like else log_sigma)
                    upstream = normal(184, shape[0], dtype=dtype)
                    grads = torch.autograd.grad(want, leaves, upstream)
                    seen = probe(x, mu, given, wrt=tuple(range(len(leaves))), upstream=upstream)
                    expect.shape(seen.value, (shape[0],), "the log-likelihoods", likely="one number for each example")
                    expect.close(seen.value, want, "the log-likelihoods", likely=hint, **close)
                    expect.dtype(seen.value, dtype, "the log-likelihoods")
                    for name, got, right in zip(probe.names, seen.grads, grads, strict=False):
                        expect.close(got, right, f"the gradient in {name}", likely=hint, **close)
        expect.case("one common σ: the best one is the root mean square of the error")
        x, mu = normal(185, 1, 50), torch.zeros(1, 50, dtype=torch.float64)
        best = float(x.pow(2).mean().sqrt().log())
        values = [float(probe(x, mu, best + shift).value) for shift in (-0.05, 0.0, 0.05)]
        expect.true(values[1] > max(values[0], values[2]), "the best σ is not the root mean square error", likely=hint)
        for one, other in (((4, 3), (3,)), ((4, 3), (4, 1)), ((4, 3), (1, 3)), ((4, 1), (4, 3))):
            expect.case(f"x {one}, mu {other}")
            probe.refuses("shapes that differ are refused", torch.zeros(one), torch.zeros(other), 0.0)


_LINEAR = """
    import torch

    class Coder:
        \"\"\"A linear encoder with a fixed log variance, and a linear decoder with a fixed log sigma.\"\"\"

        def __init__(self, E, e, logvar, W, b, log_sigma, bend=0.0):
            self.E, self.e, self.logvar, self.W, self.b = E, e, logvar, W, b
            self.log_sigma, self.bend = log_sigma, bend
            self.encoded, self.decoded = [], []

        def encode(self, x):
            self.encoded.append(tuple(x.shape))
            mu = x @ self.E.T + self.e
            return mu, self.logvar.expand(mu.shape)

        def decode(self, z):
            self.decoded.append(z.detach().clone())
            return z @ self.W.T + self.b + self.bend * torch.sin(3 * z).sum(dim=1, keepdim=True), self.log_sigma

    def coder(*parts):
        return Coder(*parts)
"""


def _linear(dtype=torch.float64):
    """n = 6, m = 2: decoder W z + b with σ = 0.7, and its exact posterior."""
    W = orthonormal(190, 6, 2) * torch.tensor([2.0, 0.8], dtype=torch.float64)
    b, sigma = normal(191, 6), 0.7
    precision = 1 + W.pow(2).sum(dim=0) / sigma**2
    E = (W / sigma**2 / precision).T
    return [t.to(dtype) for t in (E, -E @ b, -precision.log(), W, b)], math.log(sigma), precision


def _expected(x, parts, log_sigma, noise, bend=0.0):
    """rec and kl of a linear coder for prepared noise, by torch.distributions."""
    E, e, logvar, W, b = (p.double() for p in parts)
    x = x.double()
    mu = x @ E.T + e
    logvar = logvar.expand(mu.shape)
    rec = []
    for eps in noise:
        z = mu + (logvar / 2).exp() * eps.double()
        mean = z @ W.T + b + bend * torch.sin(3 * z).sum(dim=1, keepdim=True)
        rec.append(_log_normal(x, mean, torch.as_tensor(log_sigma, dtype=torch.float64)))
    prior = dist.Normal(torch.zeros_like(mu), torch.ones_like(mu))
    kl = dist.kl_divergence(dist.Normal(mu, (logvar / 2).exp()), prior).sum(dim=1)
    return torch.stack(rec).mean(dim=0), kl


def elbo(student):
    """Hidden test of `elbo(x, encode, decode, n_samples, randn_like)`."""
    replacing = stand_ins("elbo")
    coder = ship(_LINEAR, "coder")
    with hidden("Exercise 7: the evidence lower bound") as expect:
        probe = Probe(expect, student, "x encode decode", replacing=replacing, time_limit=30.0)
        for dtype, tol in ((torch.float64, 1e-9), (torch.float32, 1e-4)):
            for B, n_samples, bend in ((5, 1, 0.0), (4, 3, 0.0), (3, 5, 2.0), (1, 2, 0.0)):
                expect.case(f"{B} examples, {n_samples} draws, prepared noise, {dtype_name(dtype)}")
                parts, log_sigma, _ = _linear(dtype)
                x = 2 * normal(192, B, 6, dtype=dtype)
                noise = [normal(193 + i, B, 2, dtype=dtype) for i in range(n_samples)]
                rec, kl = _expected(x, parts, log_sigma, noise, bend)
                model, source = coder(*parts, log_sigma, bend), draws(*noise)
                settings = {"n_samples": n_samples} if n_samples > 1 else {}
                came = probe(x, model.encode, model.decode, randn_like=source, **settings).value
                expect.true(
                    isinstance(came, dict) and set(came) >= {"elbo", "rec", "kl"},
                    'elbo must return a dict with the keys "elbo", "rec" and "kl"',
                )
                called(expect, source, [(B, 2)] * n_samples, "it is called on mu, once for each sample")
                for name in ("elbo", "rec", "kl"):
                    expect.shape(came[name], (B,), name, likely="one number for each example")
                    expect.dtype(came[name], dtype, name)
                hint = "the divergence of q from N(0, I), SUMMED over the latent dimensions"
                expect.close(came["kl"], kl, "kl", rtol=tol, atol=tol, likely=hint)
                hint = (
                    "the MEAN over the draws of log p(x | z), each summed over all D dimensions; z is a fresh draw "
                    "for every example and every sample"
                )
                expect.close(came["rec"], rec, "rec", rtol=tol, atol=tol, likely=hint)
                expect.close(came["elbo"], rec - kl, "elbo", rtol=tol, atol=tol, likely="rec MINUS kl")

        expect.case("a single latent number, 4 examples, prepared noise")
        parts, log_sigma, _ = _linear()
        parts = [parts[0][:1], parts[1][:1], parts[2][:1], parts[3][:, :1], parts[4]]
        x, noise = 2 * normal(196, 4, 6), normal(197, 4, 1)
        model = coder(*parts, log_sigma, 0.0)
        came = probe(x, model.encode, model.decode, randn_like=draws(noise)).value["elbo"]
        rec, kl = _expected(x, parts, log_sigma, [noise])
        expect.close(came, rec - kl, "elbo", rtol=1e-9, atol=1e-9, likely="rec MINUS kl")

        parts, log_sigma, precision = _linear()
        W, b, sigma = parts[3], parts[4], math.exp(log_sigma)
        x = 2 * normal(198, 3, 6)
        covariance = W @ W.T + sigma**2 * torch.eye(6, dtype=torch.float64)
        evidence = dist.MultivariateNormal(b, covariance).log_prob(x)

        def bound(x, parts, noise):
            model = coder(*parts, log_sigma, 0.0)
            return same(probe(x, model.encode, model.decode, randn_like=draws(noise)).value["elbo"])

        expect.case("q is the exact posterior, 20 000 default draws for each of 3 examples")
        many = x.repeat_interleave(20000, dim=0)
        model = coder(*parts, log_sigma, 0.0)
        mean = same(probe(many, model.encode, model.decode).value["elbo"]).reshape(3, -1).mean(dim=1)
        gap = (mean - evidence).abs().max().item()
        # one draw has a standard deviation of 0.7 to 1.5 nats: the mean of 20 000 one of 0.011
        expect.true(gap < 0.06, f"the ELBO differs by {gap:.3f} nats from the log-likelihood, which it must equal here")

        expect.case("q shifted away from the posterior, the same noise mirrored")
        eps = normal(199, 4000, 2)
        eps = torch.cat([eps, -eps])
        base = x[:1].expand(8000, 6).contiguous()
        delta = torch.tensor([0.3, -0.2], dtype=torch.float64)
        shifted = [parts[0], parts[1] + delta, *parts[2:]]
        drop = (bound(base, parts, eps) - bound(base, shifted, eps)).mean().item()
        want = 0.5 * (delta**2 * precision).sum().item()
        expect.close(drop, want, "the loss of the ELBO through a shift of the mean of q", rtol=1e-6, atol=1e-8,
                     likely="½ δ² times the precision of the posterior: the KL divergence from it")  # fmt: skip
        right = bound(base, parts, eps).mean().item()
        for factor in (0.5, 2.0):
            expect.case(f"the standard deviation of q times {factor}")
            other = [*parts[:2], parts[2] + 2 * math.log(factor), *parts[3:]]
            value = bound(base, other, eps).mean().item()
            expect.true(value < right, "a q of the wrong width has a higher ELBO than the posterior")

        expect.case("the gradient reaches encoder and decoder")
        found = observe(ship(_GRADIENTS, "gradients"), student, *_gradient_parts(), replacing, time_limit=10.0).value
        names = ("the encoder", "its log variance", "the decoder", "log sigma")
        expect.true(
            found is not None and all(g is not None for g in found),
            "the ELBO cannot be differentiated in every part of encoder and decoder",
            likely="nothing on the way may be detached: the draw is mu + std * noise",
        )
        for name, got, want in zip(names, found, _gradient_oracle(), strict=True):
            expect.close(got, want, f"the gradient in {name}", rtol=1e-8, atol=1e-10)

        model = coder(*parts, log_sigma, 0.0)
        for n_samples in (0, -3):
            expect.case(f"n_samples = {n_samples}")
            probe.refuses("n_samples < 1 is refused", x, model.encode, model.decode, n_samples=n_samples)
        expect.case("a decoder whose mean has one column too few")
        short = coder(parts[0], parts[1], parts[2], W[:5], b[:5], log_sigma, 0.0)
        probe.refuses("a decoded mean in another shape than x is refused", x, model.encode, short.decode)
        expect.case("a decoder whose mean has one column")
        short = coder(parts[0], parts[1], parts[2], W[:1], b[:1], log_sigma, 0.0)
        probe.refuses("a decoded mean in another shape than x is refused", x, model.encode, short.decode)


def _gradient_parts():
    parts, log_sigma, _ = _linear()
    return [*parts, torch.tensor([log_sigma], dtype=torch.float64)], normal(200, 4, 6), normal(201, 4, 2)


def _gradient_oracle():
    (E, e, logvar, W, b, log_sigma), x, eps = _gradient_parts()
    leaves = [t.clone().requires_grad_() for t in (E, logvar, W, log_sigma)]
    E, logvar, W, log_sigma = leaves
    mu = x @ E.T + e
    z = mu + (logvar / 2).exp() * eps
    rec = _log_normal(x, z @ W.T + b, log_sigma)
    kl = 0.5 * (mu**2 + logvar.exp() - 1 - logvar).sum(dim=1)
    return torch.autograd.grad((rec - kl).sum(), leaves)


_GRADIENTS = """
    import torch
    from autograder.testing import call_observed

    def gradients(elbo, parts, x, eps, replacing):
        E, e, logvar, W, b, log_sigma = (p.clone().requires_grad_() for p in parts)

        def encode(x):
            mu = x @ E.T + e
            return mu, logvar.expand(mu.shape)

        def decode(z):
            return z @ W.T + b, log_sigma

        options = {"replacing": replacing}
        value = call_observed(elbo, (x, encode, decode), {"randn_like": lambda t: eps}, options).value["elbo"].sum()
        if not value.requires_grad:
            return None
        grads = torch.autograd.grad(value, [E, logvar, W, log_sigma], allow_unused=True)
        return [None if g is None else g.detach() for g in grads]
"""


_VAE = """
    import torch
    from torch import nn
    from autograder.testing import call_observed

    def linear(weight, bias):
        layer = nn.Linear(weight.shape[1], weight.shape[0]).to(weight.dtype)
        layer.load_state_dict({"weight": weight, "bias": bias})
        return layer

    def build(cls, parts, m, options):
        encoder, decoder = linear(*parts[:2]), linear(*parts[2:])
        return cls(encoder, decoder, m, **options), encoder, decoder

    def halves(cls, parts, m, options, x, z):
        model, *_ = build(cls, parts, m, options)
        return {"encode": [t.detach() for t in model.encode(x)], "decode": [t.detach() for t in model.decode(z)],
                "count": len(list(model.parameters()))}

    def loss(cls, parts, m, options, x, source, replacing):
        model, encoder, decoder = build(cls, parts, m, options)
        settings = {} if source is None else {"randn_like": source}
        value = call_observed(model.forward, (x,), settings, {"replacing": replacing}).value
        grads = None
        if value.requires_grad:
            wanted = [*encoder.parameters(), *decoder.parameters()]
            grads = torch.autograd.grad(value, wanted, allow_unused=True)
            grads = [None if g is None else g.detach() for g in grads]
        return {"value": value.detach(), "grads": grads}

    def sample(cls, parts, m, options, n, source):
        model, *_ = build(cls, parts, m, options)
        settings = {} if source is None else {"randn_like": source}
        return [t.detach() for t in model.sample(n, **settings)]

    def tools():
        return halves, loss, sample
"""


def _vae_parts(seed: int, D: int, m: int, dtype, scale: float = 0.4):
    shapes = ((2 * m, D), (2 * m,), (2 * D, m), (2 * D,))
    return [scale * normal(seed + i, *shape, dtype=dtype) for i, shape in enumerate(shapes)]


def _split(parts, x, z, m, low, high):
    E, e, V, v = parts
    code, out = x @ E.T + e, z @ V.T + v
    D = x.shape[1]
    return code[:, :m], code[:, m:], out[:, :D], out[:, D:].clamp(low, high)


def vae(VAE):
    """Hidden test of the class, with linear encoders and decoders whose weights the test sets."""
    replacing = stand_ins()
    halves, loss, sample = ship(_VAE, "tools")()
    with hidden("Exercise 7: the VAE") as expect:
        for dtype, close in DTYPES:
            for B, D, m, options in ((4, 5, 2, {}), (3, 2, 3, {"log_sigma_range": (-0.5, 0.1)}), (1, 4, 1, {})):
                low, high = options.get("log_sigma_range", (-2.0, 2.0))
                text = f"D = {D}, m = {m}, {options or 'default range'}, {dtype_name(dtype)}"
                parts = _vae_parts(210, D, m, dtype)
                x, z = normal(214, B, D, dtype=dtype), 3 * normal(215, 6, m, dtype=dtype)
                mu, logvar, *_ = _split(parts, x, z[:1], m, low, high)
                out = z @ parts[2].T + parts[3]
                expect.case(f"encode and decode, {text}")
                came = observe(halves, VAE, parts, m, options, x, z, time_limit=10.0).value
                expect.true(came["count"] == 4, "the parameters of encoder and decoder are not among parameters()")
                expect.close(came["encode"][0], mu, "the mean of q", likely="the FIRST m outputs", **close)
                expect.close(came["encode"][1], logvar, "the log variance of q", likely="the LAST m outputs", **close)
                expect.close(came["decode"][0], out[:, :D], "the decoded mean", likely="the FIRST D outputs", **close)
                hint = "clamped to the range, unchanged inside it: a clamp, not a tanh"
                expect.close(came["decode"][1], out[:, D:].clamp(low, high), "log σ", likely=hint, **close)

                expect.case(f"the loss, prepared noise, {text}")
                eps = normal(216, B, m, dtype=dtype)
                source = draws(eps)
                came = observe(loss, VAE, parts, m, options, x, source, replacing, time_limit=10.0).value
                called(expect, source, [(B, m)], "it is called once, on the mean of q")
                leaves = [p.double().clone().requires_grad_() for p in parts]
                code = x.double() @ leaves[0].T + leaves[1]
                drawn = code[:, :m] + (code[:, m:] / 2).exp() * eps.double()
                _, _, mean, log_sigma = _split(leaves, x.double(), drawn, m, low, high)
                kl = 0.5 * (code[:, :m] ** 2 + code[:, m:].exp() - 1 - code[:, m:]).sum(dim=1)
                want = -(_log_normal(x.double(), mean, log_sigma) - kl).mean()
                expect.shape(came["value"], (), "the loss, one number")
                hint = "MINUS the mean over the batch of the ELBO"
                tol = {"rtol": 1e-9, "atol": 1e-9} if dtype == torch.float64 else {"rtol": 1e-4, "atol": 1e-4}
                expect.close(came["value"], want, "the loss", likely=hint, **tol)
                expect.true(
                    came["grads"] is not None and all(g is not None for g in came["grads"]),
                    "the gradient does not reach encoder and decoder",
                )
                for got, right in zip(came["grads"], torch.autograd.grad(want, leaves), strict=True):
                    expect.close(got, right, "the gradient in a weight of encoder or decoder", likely=hint, **tol)

                expect.case(f"samples, prepared noise, {text}")
                first, second = normal(217, 7, m, dtype=dtype), normal(218, 7, D, dtype=dtype)
                source = draws(first, second)
                came = observe(sample, VAE, parts, m, options, 7, source, time_limit=10.0).value
                called(expect, source, [(7, m), (7, D)], "first for z, [n, m], then for the noise, [n, D]")
                out = first @ parts[2].T + parts[3]
                sigma = out[:, D:].clamp(low, high).exp()
                expect.true(len(came) == 3, "sample must return (x, mean, sigma)")
                expect.close(came[1], out[:, :D], "the mean of the samples", **close)
                expect.close(came[2], sigma, "sigma", likely="exp(log σ)", **close)
                expect.close(
                    came[0], out[:, :D] + sigma * second, "the samples", likely="mean + sigma * noise", **close
                )
                expect.dtype(came[0], dtype, "the samples")
        expect.case("a decoder that says ±100")
        for sign in (100.0, -100.0):
            parts = _vae_parts(219, 3, 2, torch.float64)
            parts[3] = parts[3] + sign
            came = observe(halves, VAE, parts, 2, {}, normal(220, 4, 3), normal(221, 4, 2)).value
            want = torch.full((4, 3), math.copysign(2.0, sign))
            expect.close(came["decode"][1], want, "log σ", rtol=1e-12, likely="clamp log σ to [-2, 2]")
        expect.case("default noise: two losses and two samples differ")
        parts, x = _vae_parts(222, 3, 2, torch.float64), uniform(223, 5, 3)
        losses = [float(observe(loss, VAE, parts, 2, {}, x, None, replacing).value["value"]) for _ in range(2)]
        expect.true(losses[0] != losses[1], "two passes over one batch give the same loss", likely="draw z afresh")
        came = observe(sample, VAE, parts, 2, {}, 400, None).value
        spread = same(came[0]) - same(came[1])
        expect.true(float((spread / same(came[2])).std()) > 0.9, "the samples have no noise around their mean")
        expect.true(
            float(same(came[1]).std(dim=0).min()) > 0.05, "all samples have the same mean", likely="z ~ N(0, I)"
        )
        for width in (3, 5, 2):
            expect.case(f"an encoder with {width} outputs for m = 2")
            bad = [normal(224, width, 3), normal(225, width), *parts[2:]]
            what = "an encoder whose width is not 2m is refused"
            expect.raises(ValueError, halves, VAE, bad, 2, {}, x, normal(226, 2, 2), what=what)
