"""Exercise 5: EM for a mixture and the free energy. Oracles: scalar loops and torch.distributions."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from coursekit.checking import hidden
from torch import distributions as dist

from autograder.checks.autoencoders.noise import normal, uniform
from autograder.checks.probe import Probe, dtype_name, same
from autograder.testing import observe, ship

_DTYPES = ((torch.float64, 1e-10), (torch.float32, 5e-5))


def _parameters(seed: int, K: int, dtype=torch.float64):
    w = normal(seed, K).exp()
    return (w / w.sum()).to(dtype), 2 * normal(seed + 1, K, dtype=dtype), (0.4 + uniform(seed + 2, K)).to(dtype)


def _joint(x, w, mu, sd) -> torch.Tensor:
    """log p(x_i, k), by loops over Python numbers."""
    rows = [
        [
            math.log(wk) - math.log(sk) - 0.5 * math.log(2 * math.pi) - (xi - mk) ** 2 / (2 * sk**2)
            for wk, mk, sk in zip(w.tolist(), mu.tolist(), sd.tolist(), strict=True)
        ]
        for xi in x.tolist()
    ]
    return torch.tensor(rows, dtype=torch.float64)


def _shapes(expect, probe, *before) -> None:
    """The shapes of w, mu and sd must agree."""
    two, three = torch.full((2,), 0.5), torch.full((3,), 1 / 3)
    for case, bad in (
        ("mu of another length than w", (two, three, torch.ones(2))),
        ("sd of another length than w", (two, torch.zeros(2), torch.ones(3))),
        ("sd of length 1", (two, torch.zeros(2), torch.ones(1))),
        ("w of length 1", (torch.ones(1), torch.zeros(2), torch.ones(2))),
    ):
        expect.case(case)
        probe.refuses("w, mu and sd of different shapes are refused", *before, *bad)


def e_step(student):
    """Hidden test of `e_step(x, w, mu, sd)`."""
    hint = "softmax over the COMPONENTS of log w - log sd - (x - mu)² / (2 sd²)"
    with hidden("Exercise 5: the E-step") as expect:
        probe = Probe(expect, student, "x w mu sd", time_limit=10.0)
        for dtype, tol in _DTYPES:
            for N, K in ((7, 2), (5, 4), (3, 1), (1, 3), (4, 4)):
                expect.case(f"N = {N}, K = {K}, {dtype_name(dtype)}")
                x, (w, mu, sd) = 2 * normal(100, N, dtype=dtype), _parameters(101, K, dtype)
                r = probe(x, w, mu, sd).value
                joint = _joint(x, w, mu, sd)
                expect.close(
                    r, joint.exp() / joint.exp().sum(dim=1, keepdim=True), "r", rtol=tol, atol=tol, likely=hint
                )
                expect.dtype(r, dtype, "r")
        expect.case("points at ±10 000")
        x = torch.tensor([1e4, -1e4, 0.0], dtype=torch.float64)
        w, mu, sd = _parameters(102, 3)
        r = probe(x, w, mu, sd).value
        expect.finite(r, "r", likely="far away every density is 0: stay with logarithms until the softmax")
        expect.close(same(r).sum(dim=1), torch.ones(3), "the sums of the rows", rtol=1e-10)
        expect.close(r, torch.softmax(_joint(x, w, mu, sd), dim=1), "r", rtol=1e-9, atol=1e-9, likely=hint)
        _shapes(expect, probe, torch.zeros(4))


def m_step(student):
    """Hidden test of `m_step(x, r, min_sd)`."""
    with hidden("Exercise 5: the M-step") as expect:
        probe = Probe(expect, student, "x r min_sd", time_limit=10.0)
        for dtype, tol in _DTYPES:
            for N, K in ((7, 2), (6, 4), (5, 1), (4, 4)):
                expect.case(f"N = {N}, K = {K}, {dtype_name(dtype)}")
                x, r = 2 * normal(110, N, dtype=dtype), torch.softmax(normal(111, N, K), dim=1).to(dtype)
                came = probe(x, r).value
                expect.true(isinstance(came, list) and len(came) == 3, "m_step must return three tensors: w, mu, sd")
                xs, rs = x.tolist(), r.tolist()
                count = [sum(row[k] for row in rs) for k in range(K)]
                mu = [sum(row[k] * xi for row, xi in zip(rs, xs, strict=True)) / count[k] for k in range(K)]
                var = [
                    sum(row[k] * (xi - mu[k]) ** 2 for row, xi in zip(rs, xs, strict=True)) / count[k] for k in range(K)
                ]
                hint = "N_k / N"
                expect.close(came[0], [c / N for c in count], "w", rtol=tol, atol=tol, likely=hint)
                hint = "the sum of r x, divided by N_k = sum of r, not by N"
                expect.close(came[1], mu, "mu", rtol=tol, atol=tol, likely=hint)
                hint = "the root of the weighted mean of (x - mu)² around the NEW mean"
                # a variance as E[x²] - mu² loses a few digits
                expect.close(came[2], [math.sqrt(v) for v in var], "sd", rtol=1e3 * tol, atol=1e3 * tol, likely=hint)
                for value, name in zip(came, ("w", "mu", "sd"), strict=True):
                    expect.dtype(value, dtype, name)
        expect.case("hard assignments: means and standard deviations of the classes")
        x = normal(112, 9)
        labels = torch.arange(9) % 3
        came = probe(x, torch.eye(3, dtype=torch.float64)[labels]).value
        groups = [x[labels == k] for k in range(3)]
        expect.close(came[1], [g.mean() for g in groups], "mu", rtol=1e-10)
        expect.close(came[2], [g.std(correction=0) for g in groups], "sd", rtol=1e-7)
        expect.case("points that are all the same")
        one = torch.full((5,), 0.7, dtype=torch.float64)
        r = torch.softmax(normal(113, 5, 2), dim=1)
        hint = "the standard deviation, not the variance, is floored at min_sd"
        expect.close(probe(one, r).value[2], [1e-3, 1e-3], "sd", rtol=1e-6, likely=hint)
        expect.case("points that are all the same, min_sd = 0.25")
        expect.close(probe(one, r, 0.25).value[2], [0.25, 0.25], "sd", rtol=1e-6, likely=hint)
        for shape in ((4, 2), (6, 2), (5,)):
            expect.case(f"r of shape {shape} for 5 points")
            probe.refuses("r must have one row for each point", one, torch.full(shape, 0.5, dtype=torch.float64))

        expect.case("thirty rounds with an E-step of the test's own, from a start in the middle")
        x = torch.cat([-2 + 0.5 * normal(114, 300), 1.5 + 0.8 * normal(115, 200)])
        found = observe(ship(_EM, "em"), student, x, time_limit=20.0).value
        history, final = found["history"], found["final"]
        worst = min(b - a for a, b in pairwise(history))
        expect.true(worst >= -1e-8, f"the log-likelihood falls by {-worst:.2g} in some round: no M-step lowers it")
        for value, want, name in zip(final, ((0.6, 0.4), (-2.0, 1.5), (0.5, 0.8)), ("w", "mu", "sd"), strict=True):
            gap = (same(value) - torch.tensor(want, dtype=torch.float64)).abs().max().item()
            # right: 0.01, 0.03, 0.04
            expect.true(gap < 0.15, f"after 30 rounds {name} is {gap:.2g} away from the truth")


_EM = """
    import math
    import torch

    def em(m_step, x):
        w = torch.tensor([0.5, 0.5], dtype=x.dtype)
        mu, sd = torch.tensor([-0.5, 0.5], dtype=x.dtype), torch.ones(2, dtype=x.dtype)
        history = []
        for _ in range(30):
            joint = w.log() - sd.log() - 0.5 * math.log(2 * math.pi) - ((x[:, None] - mu) / sd) ** 2 / 2
            history.append(float(torch.logsumexp(joint, 1).sum()))
            w, mu, sd = m_step(x, torch.softmax(joint, 1))
        return {"history": history, "final": [w, mu, sd]}
"""


def log_lik(student):
    """Hidden test of `log_lik(x, w, mu, sd)`: torch.distributions' mixture."""
    hint = "logsumexp over the components of log w + log N, then the SUM over the points"
    with hidden("Exercise 5: the log-likelihood") as expect:
        probe = Probe(expect, student, "x w mu sd", time_limit=10.0)
        for dtype, tol in ((torch.float64, 1e-9), (torch.float32, 5e-5)):
            for N, K in ((7, 2), (5, 4), (3, 1), (1, 3), (4, 4)):
                expect.case(f"N = {N}, K = {K}, {dtype_name(dtype)}")
                x, (w, mu, sd) = 2 * normal(120, N, dtype=dtype), _parameters(121, K, dtype)
                mixture = dist.MixtureSameFamily(dist.Categorical(w.double()), dist.Normal(mu.double(), sd.double()))
                came = probe(x, w, mu, sd).value
                expect.shape(came, (), "the log-likelihood, one number")
                want = mixture.log_prob(x.double()).sum()
                expect.close(came, want, "the log-likelihood", rtol=tol, atol=tol, likely=hint)
                expect.dtype(came, dtype, "the log-likelihood")
        expect.case("a point at 10 000")
        w, mu, sd = _parameters(122, 3)
        x = torch.tensor([1e4, 0.5], dtype=torch.float64)
        want = torch.logsumexp(_joint(x, w, mu, sd), dim=1).sum()
        came = probe(x, w, mu, sd).value
        expect.finite(came, "the log-likelihood", likely="log(0): stay with logarithms")
        expect.close(came, want, "the log-likelihood", rtol=1e-9, likely=hint)
        _shapes(expect, probe, torch.zeros(4))


def free_energy(student):
    """Hidden test of `free_energy(x, q, w, mu, sd)`."""
    hint = "sum of q (log w + log N - log q) over points and components; 0 log 0 = 0"
    with hidden("Exercise 5: the free energy") as expect:
        probe = Probe(expect, student, "x q w mu sd", time_limit=10.0)
        for dtype, tol in ((torch.float64, 1e-8), (torch.float32, 5e-5)):
            for N, K in ((7, 2), (5, 4), (3, 1), (4, 4)):
                x, (w, mu, sd) = 2 * normal(130, N, dtype=dtype), _parameters(131, K, dtype)
                joint = _joint(x, w, mu, sd)
                evidence, r = torch.logsumexp(joint, dim=1), torch.softmax(joint, dim=1)
                expect.case(f"q is the posterior, N = {N}, K = {K}, {dtype_name(dtype)}")
                what = "F, which must be the log-likelihood"
                came = probe(x, r.to(dtype), w, mu, sd).value
                expect.shape(came, (), "F, one number")
                expect.close(came, evidence.sum(), what, rtol=tol, atol=tol, likely=hint)
                expect.dtype(came, dtype, "F")
                for trial in range(5):
                    expect.case(f"random q number {trial}, N = {N}, K = {K}, {dtype_name(dtype)}")
                    q = torch.softmax(2 * normal(132 + trial, N, K), dim=1)
                    gap = (q * (q.log() - r.log())).sum()
                    what = "F, which must be the log-likelihood minus the KL divergences of q from the posterior"
                    came = probe(x, q.to(dtype), w, mu, sd).value
                    expect.close(came, evidence.sum() - gap, what, rtol=tol, atol=tol, likely=hint)
        expect.case("one-hot rows")
        x, (w, mu, sd) = normal(133, 6), _parameters(134, 3)
        labels = torch.arange(6) % 3
        came = probe(x, torch.eye(3, dtype=torch.float64)[labels], w, mu, sd).value
        expect.finite(came, "F", likely="0 log 0 must be 0, not nan")
        expect.close(came, _joint(x, w, mu, sd)[torch.arange(6), labels].sum(), "F", rtol=1e-9, likely=hint)

        expect.case("a fixed q: the parameters of the M-step are better than any near them")
        q = torch.softmax(normal(135, 6, 2), dim=1)
        count = q.sum(dim=0)
        best_mu = (q * x[:, None]).sum(dim=0) / count
        best_sd = ((q * (x[:, None] - best_mu) ** 2).sum(dim=0) / count).sqrt()
        best = float(probe(x, q, count / 6, best_mu, best_sd).value)
        for trial in range(10):
            shift = 0.1 * normal(140 + trial, 3, 2)
            w = (count / 6).log() + shift[0]
            other = float(probe(x, q, torch.softmax(w, 0), best_mu + shift[1], best_sd * shift[2].exp()).value)
            expect.true(other < best, "another theta has a higher F than the M-step's for the same q", likely=hint)

        even = torch.full((6, 2), 0.5, dtype=torch.float64)
        w, mu, sd = _parameters(136, 2)
        for case, bad in (
            ("rows of q that sum to 0.8", 0.8 * even),
            ("rows of q that sum to 1.001", 1.001 * even),
            ("rows of q that sum to 1.000015", 1.000015 * even),
            ("one row of q that sums to 2", torch.cat([2 * even[:1], even[1:]])),
            ("q with a row too few", even[:5]),
            ("q with a column too many", torch.full((6, 3), 1 / 3, dtype=torch.float64)),
            ("q of shape (6, 1)", torch.ones(6, 1, dtype=torch.float64)),
        ):
            expect.case(case)
            probe.refuses("a q that does not fit, or is no distribution, is refused", x, bad, w, mu, sd)
        _shapes(expect, probe, torch.zeros(6), even.float())
