"""Right answers to exercise 5, written differently."""

from autograder.variants import Right

VARIANTS = [
    Right(
        exercise="ex5-e-step",
        name="logsumexp",
        code="""
def e_step(x, w, mu, sd):
    if w.shape != mu.shape or w.shape != sd.shape:
        raise ValueError("shapes")
    logs = torch.log(w) + torch.distributions.Normal(mu, sd).log_prob(x.unsqueeze(1))
    return torch.exp(logs - torch.logsumexp(logs, dim=1, keepdim=True))
""",
    ),
    Right(
        exercise="ex5-e-step",
        name="loop-over-components",
        code="""
def e_step(x, w, mu, sd):
    if len({tuple(w.shape), tuple(mu.shape), tuple(sd.shape)}) > 1:
        raise ValueError("shapes")
    columns = [torch.log(w[k] / sd[k]) - (x - mu[k]) ** 2 / (2 * sd[k] ** 2) for k in range(len(w))]
    logs = torch.stack(columns, dim=-1)
    p = torch.exp(logs - logs.max(dim=-1, keepdim=True)[0])
    return p / p.sum(dim=-1, keepdim=True)
""",
    ),
    Right(
        exercise="ex5-m-step",
        name="loop-over-components",
        code="""
def m_step(x, r, min_sd=1e-3):
    if r.dim() != 2 or r.shape[0] != x.shape[0]:
        raise ValueError("r")
    w, mu, sd = [], [], []
    for k in range(r.shape[1]):
        total = r[:, k].sum()
        mean = torch.dot(r[:, k], x) / total
        var = torch.dot(r[:, k], (x - mean) ** 2) / total
        w.append(total / x.shape[0])
        mu.append(mean)
        sd.append(torch.sqrt(var))
    return torch.stack(w), torch.stack(mu), torch.clamp(torch.stack(sd), min=min_sd)
""",
    ),
    Right(
        exercise="ex5-m-step",
        name="second-moment",
        code="""
def m_step(x, r, min_sd=1e-3):
    if r.ndim != 2 or r.shape[0] != x.numel():
        raise ValueError("r")
    share = r / r.sum(0, keepdim=True)
    mu = torch.einsum("nk,n->k", share, x)
    second = torch.einsum("nk,n->k", share, x.square())
    sd = torch.maximum((second - mu.square()).clamp(min=0).sqrt(), torch.full_like(mu, min_sd))
    return r.mean(0), mu, sd
""",
    ),
    Right(
        exercise="ex5-log-lik",
        name="distributions",
        code="""
def log_lik(x, w, mu, sd):
    if w.shape != mu.shape or mu.shape != sd.shape:
        raise ValueError("shapes")
    normal = torch.distributions.Normal(mu, sd)
    mixture = torch.distributions.MixtureSameFamily(torch.distributions.Categorical(w), normal)
    return mixture.log_prob(x).sum()
""",
    ),
    Right(
        exercise="ex5-log-lik",
        name="maximum-first",
        code="""
def log_lik(x, w, mu, sd):
    if not (w.shape == mu.shape and mu.shape == sd.shape):
        raise ValueError("shapes")
    logs = (w / (sd * math.sqrt(2 * math.pi))).log()[None] - ((x[:, None] - mu[None]) ** 2) / (2 * sd[None] ** 2)
    top = logs.amax(dim=1)
    return (top + (logs - top[:, None]).exp().sum(dim=1).log()).sum()
""",
    ),
    Right(
        exercise="ex5-free-energy",
        name="special-entropy",
        code="""
def free_energy(x, q, w, mu, sd):
    if w.shape != mu.shape or w.shape != sd.shape or tuple(q.shape) != (x.shape[0], w.shape[0]):
        raise ValueError("shapes")
    if not torch.allclose(q.sum(1), torch.ones_like(x), atol=1e-5, rtol=0):
        raise ValueError("q")
    log_p = torch.distributions.Normal(mu, sd).log_prob(x[:, None]) + w.log()
    return torch.einsum("nk,nk->", q, log_p) + torch.special.entr(q).sum()
""",
    ),
    Right(
        exercise="ex5-free-energy",
        name="evidence-minus-divergence",
        code="""
def free_energy(x, q, w, mu, sd):
    if not w.shape == mu.shape == sd.shape or q.shape != (len(x), len(w)):
        raise ValueError("shapes")
    if ((q.sum(dim=1) - 1).abs() > 1e-5).any():
        raise ValueError("q")
    logs = w.log() - sd.log() - 0.5 * math.log(2 * math.pi) - (x[:, None] - mu).square() / (2 * sd.square())
    log_posterior = torch.log_softmax(logs, dim=1)
    log_q = torch.where(q > 0, q, torch.ones_like(q)).log()
    return torch.logsumexp(logs, dim=1).sum() - (q * (log_q - log_posterior)).sum()
""",
    ),
]
