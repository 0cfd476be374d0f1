"""Right answers to exercise 3, written differently."""

from autograder.variants import Right

VARIANTS = [
    Right(
        exercise="ex3-corrupt",
        name="addcmul",
        code="""
def corrupt(x, sigma, randn_like=torch.randn_like):
    if sigma < 0:
        raise ValueError("sigma")
    noise = randn_like(x)
    return torch.add(x, noise, alpha=sigma)
""",
    ),
    Right(
        exercise="ex3-corrupt",
        name="noise-of-sigma-first",
        code="""
def corrupt(x, sigma, randn_like=torch.randn_like):
    if not sigma >= 0:
        raise ValueError("sigma must be at least 0")
    epsilon = randn_like(x) * sigma
    return epsilon + x
""",
    ),
    Right(
        exercise="ex3-dae-loss",
        name="loop-over-the-batch",
        code="""
def dae_loss(denoiser, x, sigma, randn_like=torch.randn_like):
    if sigma < 0:
        raise ValueError("sigma")
    guess = denoiser(x + sigma * randn_like(x))
    return torch.stack([(a - b).square().sum() for a, b in zip(guess, x)]).mean()
""",
    ),
    Right(
        exercise="ex3-dae-loss",
        name="total-over-count",
        code="""
def dae_loss(denoiser, x, sigma, randn_like=torch.randn_like):
    if sigma < 0:
        raise ValueError("sigma")
    e = randn_like(x)
    x_hat = denoiser(torch.add(x, sigma * e))
    return F.mse_loss(x_hat, x, reduction="sum") / x.shape[0]
""",
    ),
    Right(
        exercise="ex3-score",
        name="by-autograd",
        code="""
def noisy_mixture_score(xt, w, mu, s2, sigma):
    v = s2 + sigma**2
    if sigma < 0 or v == 0 or bool((w < 0).any()) or abs(w.sum().item() - 1) > 1e-6:
        raise ValueError("arguments")
    with torch.enable_grad():
        leaf = xt.detach().clone().requires_grad_()
        squares = (leaf[:, None, :] - mu[None, :, :]).square().sum(-1)
        log_p = torch.logsumexp(torch.log(w) - squares / (2 * v), dim=1)
        (grad,) = torch.autograd.grad(log_p.sum(), leaf)
    return grad
""",
    ),
    Right(
        exercise="ex3-score",
        name="loop-over-components",
        code="""
def noisy_mixture_score(xt, w, mu, s2, sigma):
    v = s2 + sigma * sigma
    if sigma < 0 or v == 0:
        raise ValueError("no density")
    if w.min() < 0 or (w.sum() - 1).abs() > 1e-6:
        raise ValueError("weights")
    logs = torch.stack([torch.log(w[k]) - ((xt - mu[k]) ** 2).sum(1) / 2 / v for k in range(len(w))], dim=1)
    logs = logs - logs.max(dim=1, keepdim=True).values
    p = logs.exp()
    r = p / p.sum(1, keepdim=True)
    out = torch.zeros_like(xt)
    for k in range(len(w)):
        out = out + r[:, k : k + 1] * (mu[k] - xt) / v
    return out
""",
    ),
    Right(
        exercise="ex3-denoiser",
        name="step-along-the-score",
        code="""
def optimal_denoiser(xt, w, mu, s2, sigma):
    if sigma < 0 or s2 + sigma**2 == 0 or (w < 0).any() or abs(w.sum() - 1) > 1e-6:
        raise ValueError("arguments")
    variance = s2 + sigma**2
    distance = torch.cdist(xt, mu, compute_mode="donot_use_mm_for_euclid_dist")
    r = torch.softmax(torch.log(w) - distance**2 / (2 * variance), dim=-1)
    score = (r @ mu - xt) / variance
    return xt + sigma**2 * score
""",
    ),
    Right(
        exercise="ex3-denoiser",
        name="calls-the-score",
        code="""
def optimal_denoiser(xt, w, mu, s2, sigma):
    return xt + sigma**2 * noisy_mixture_score(xt, w, mu, s2, sigma)
""",
    ),
]
