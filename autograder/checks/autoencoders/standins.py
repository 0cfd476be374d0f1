"""Stand-ins for the student's smaller functions, shipped where the student's code lives.

A slip in one exercise must cost nothing in another, so the tests of the bound and of the VAE bring these. What is
shipped can be read by the code under test: a source holds what its test needs and nothing else.
"""

from __future__ import annotations

import textwrap
from typing import Any

from autograder.testing import ship

_PIECES = {
    "gaussian_log_likelihood": """
        def gaussian_log_likelihood(x, mu, log_sigma):
            log_sigma = torch.as_tensor(log_sigma, dtype=x.dtype, device=x.device)
            if log_sigma.ndim == 1 and log_sigma.numel() > 1:
                log_sigma = log_sigma.reshape(x.shape[1:])
            if x.shape != mu.shape:
                raise ValueError("x and mu must have one shape")
            return Normal(mu, log_sigma.exp().expand(x.shape)).log_prob(x).flatten(1).sum(dim=1)
    """,
    "reparameterize": """
        def reparameterize(mu, logvar, randn_like=torch.randn_like):
            return mu + logvar.div(2).exp() * randn_like(mu)
    """,
    "kl_standard_normal": """
        def kl_standard_normal(mu, logvar):
            return kl_divergence(Normal(mu, logvar.div(2).exp()), Normal(torch.zeros_like(mu), 1.0)).sum(dim=-1)
    """,
    "elbo": """
        def elbo(x, encode, decode, n_samples=1, randn_like=torch.randn_like):
            mu, logvar = encode(x)
            decoded = [decode(reparameterize(mu, logvar, randn_like)) for _ in range(n_samples)]
            rec = sum(gaussian_log_likelihood(x, *parts) for parts in decoded) / n_samples
            kl = kl_standard_normal(mu, logvar)
            return {"elbo": rec - kl, "rec": rec, "kl": kl}
    """,
}


def source_of(*names: str) -> str:
    """A source that defines these functions only, and `tools`, which returns them by name."""
    pieces = [textwrap.dedent(_PIECES[name]) for name in names]
    table = ", ".join(f"{name!r}: {name}" for name in names)
    head = "import torch\nfrom torch.distributions import Normal, kl_divergence\n"
    return "\n".join([head, *pieces, f"def tools():\n    return {{{table}}}\n"])


def stand_ins(*left_out: str) -> dict[str, Any]:
    """Right versions by name, beside the student's code; without those that are themselves tested.

    Of one that is left out nothing is shipped, nor of `elbo`, which calls all the others.
    """
    gone = {*left_out, "elbo"} if left_out else {}
    return ship(source_of(*(name for name in _PIECES if name not in gone)), "tools")()
