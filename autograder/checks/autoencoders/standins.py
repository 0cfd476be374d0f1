"""Stand-ins for the student's smaller functions, shipped where the student's code lives.

A slip in one exercise must cost nothing in another, so the tests of the bound and of the VAE bring these.
"""

from __future__ import annotations

from typing import Any

from autograder.testing import ship

NAMES = ("gaussian_log_likelihood", "reparameterize", "kl_standard_normal", "elbo")

SOURCE = """
    import torch
    from torch.distributions import Normal, kl_divergence

    def gaussian_log_likelihood(x, mu, log_sigma):
        log_sigma = torch.as_tensor(log_sigma, dtype=x.dtype, device=x.device)
        if log_sigma.ndim == 1 and log_sigma.numel() > 1:
            log_sigma = log_sigma.reshape(x.shape[1:])
        if x.shape != mu.shape:
            raise ValueError("x and mu must have one shape")
        return Normal(mu, log_sigma.exp().expand(x.shape)).log_prob(x).flatten(1).sum(dim=1)

    def reparameterize(mu, logvar, randn_like=torch.randn_like):
        return mu + logvar.div(2).exp() * randn_like(mu)

    def kl_standard_normal(mu, logvar):
        return kl_divergence(Normal(mu, logvar.div(2).exp()), Normal(torch.zeros_like(mu), 1.0)).sum(dim=-1)

    def elbo(x, encode, decode, n_samples=1, randn_like=torch.randn_like):
        mu, logvar = encode(x)
        decoded = [decode(reparameterize(mu, logvar, randn_like)) for _ in range(n_samples)]
        rec = sum(gaussian_log_likelihood(x, *parts) for parts in decoded) / n_samples
        kl = kl_standard_normal(mu, logvar)
        return {"elbo": rec - kl, "rec": rec, "kl": kl}

    def stand_in(name):
        return {"gaussian_log_likelihood": gaussian_log_likelihood, "reparameterize": reparameterize,
                "kl_standard_normal": kl_standard_normal, "elbo": elbo}[name]
"""


def stand_ins(*left_out: str) -> dict[str, Any]:
    """Right versions by name, beside the student's code; without those that are themselves tested."""
    stand_in = ship(SOURCE, "stand_in")
    return {name: stand_in(name) for name in NAMES if name not in left_out}
