"""Right answers to exercise 6, written differently."""

from autograder.variants import Right

VARIANTS = [
    Right(
        exercise="ex6-reparameterize",
        name="addcmul",
        code="""
def reparameterize(mu, logvar, randn_like=torch.randn_like):
    if mu.shape != logvar.shape:
        raise ValueError("shapes")
    return torch.addcmul(mu, torch.exp(0.5 * logvar), randn_like(mu))
""",
    ),
    Right(
        exercise="ex6-reparameterize",
        name="root-of-the-variance",
        code="""
def reparameterize(mu, logvar, randn_like=torch.randn_like):
    if tuple(mu.shape) != tuple(logvar.shape):
        raise ValueError("shapes")
    epsilon = randn_like(mu)
    std = logvar.exp().sqrt()
    return epsilon * std + mu
""",
    ),
    Right(
        exercise="ex6-kl-standard",
        name="expm1",
        code="""
def kl_standard_normal(mu, logvar):
    if mu.shape != logvar.shape:
        raise ValueError("shapes")
    return (mu.square() + torch.expm1(logvar) - logvar).sum(-1) / 2
""",
    ),
    Right(
        exercise="ex6-kl-standard",
        name="by-the-general-one",
        code="""
def kl_standard_normal(mu, logvar):
    if mu.shape != logvar.shape:
        raise ValueError("shapes")
    return kl_diag_gaussians(mu, logvar, torch.zeros_like(mu), torch.zeros_like(mu))
""",
    ),
    Right(
        exercise="ex6-kl-diag",
        name="variances",
        code="""
def kl_diag_gaussians(mu_q, logvar_q, mu_p, logvar_p):
    vq, vp = torch.exp(logvar_q), torch.exp(logvar_p)
    terms = torch.log(vp / vq) + (vq + (mu_p - mu_q) ** 2) / vp - 1
    return terms.sum(dim=-1) * 0.5
""",
    ),
    Right(
        exercise="ex6-kl-diag",
        name="precision-and-expm1",
        code="""
def kl_diag_gaussians(mu_q, logvar_q, mu_p, logvar_p):
    difference = logvar_q - logvar_p
    distance = (mu_q - mu_p) * torch.exp(-0.5 * logvar_p)
    return torch.sum(torch.expm1(difference) - difference + distance * distance, dim=-1) / 2
""",
    ),
]
