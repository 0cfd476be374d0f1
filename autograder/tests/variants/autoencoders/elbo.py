"""Right answers to exercise 7, written differently."""

from autograder.variants import Right

VARIANTS = [
    Right(
        exercise="ex7-log-likelihood",
        name="distributions",
        code="""
def gaussian_log_likelihood(x, mu, log_sigma):
    if tuple(x.shape) != tuple(mu.shape):
        raise ValueError("shapes")
    if not torch.is_tensor(log_sigma):
        log_sigma = torch.full_like(x, log_sigma)
    elif log_sigma.shape != x.shape:
        log_sigma = log_sigma.expand(x[0].numel()).reshape(x[0].shape).expand(x.shape)
    log_p = torch.distributions.Normal(mu, log_sigma.exp()).log_prob(x)
    return log_p.reshape(len(x), -1).sum(-1)
""",
    ),
    Right(
        exercise="ex7-log-likelihood",
        name="term-by-term",
        code="""
def gaussian_log_likelihood(x, mu, log_sigma):
    if x.shape != mu.shape:
        raise ValueError("shapes")
    B = x.shape[0]
    flat, centre = x.reshape(B, -1), mu.reshape(B, -1)
    D = flat.shape[1]
    if not isinstance(log_sigma, torch.Tensor):
        s = torch.full((B, D), float(log_sigma), dtype=x.dtype, device=x.device)
    elif log_sigma.shape == x.shape:
        s = log_sigma.reshape(B, D)
    else:
        s = log_sigma.reshape(1, -1).expand(B, D)
    constant = D / 2 * math.log(2 * math.pi)
    return -constant - s.sum(1) - 0.5 * ((flat - centre) ** 2 / torch.exp(2 * s)).sum(1)
""",
    ),
    Right(
        exercise="ex7-elbo",
        name="stacked-batch",
        code="""
def elbo(x, encode, decode, n_samples=1, randn_like=torch.randn_like):
    if n_samples < 1:
        raise ValueError("n_samples")
    mu, logvar = encode(x)
    noise = torch.stack([randn_like(mu) for _ in range(n_samples)])  # [L, B, m]
    z = (mu + (0.5 * logvar).exp() * noise).flatten(0, 1)
    mean, log_sigma = decode(z)
    wide = x.repeat(n_samples, *[1] * (x.ndim - 1))
    rec = gaussian_log_likelihood(wide, mean, log_sigma).reshape(n_samples, len(x)).mean(0)
    kl = kl_standard_normal(mu, logvar)
    return dict(elbo=rec - kl, rec=rec, kl=kl)
""",
    ),
    Right(
        exercise="ex7-elbo",
        name="everything-written-out",
        code="""
def elbo(x, encode, decode, n_samples=1, randn_like=torch.randn_like):
    if n_samples <= 0:
        raise ValueError("n_samples")
    mu, logvar = encode(x)
    std = torch.exp(logvar / 2)
    values = []
    for _ in range(n_samples):
        mean, log_sigma = decode(mu + std * randn_like(mu))
        if mean.shape != x.shape:
            raise ValueError("shape of the mean")
        log_sigma = torch.as_tensor(log_sigma, dtype=x.dtype, device=x.device).expand(x.shape)
        log_p = -0.5 * math.log(2 * math.pi) - log_sigma - 0.5 * ((x - mean) / log_sigma.exp()).square()
        values.append(log_p.flatten(1).sum(1))
    rec = sum(values) / len(values)
    kl = 0.5 * (mu**2 + std**2 - 1 - 2 * std.log()).sum(1)
    return {"kl": kl, "rec": rec, "elbo": rec - kl}
""",
    ),
    Right(
        exercise="ex7-vae",
        name="chunk-and-min-max",
        code="""
class VAE(nn.Module):
    def __init__(self, encoder, decoder, m, log_sigma_range=(-2.0, 2.0)):
        super().__init__()
        self.net = nn.ModuleList([encoder, decoder])
        self.m = m
        self.range = log_sigma_range

    def encode(self, x):
        out = self.net[0](x)
        if out.size(-1) != self.m * 2:
            raise ValueError("width")
        mu, logvar = torch.chunk(out, 2, dim=-1)
        return mu, logvar

    def decode(self, z):
        out = self.net[1](z)
        half = out.size(-1) // 2
        mean, log_sigma = torch.split(out, half, dim=-1)
        return mean, torch.clamp(log_sigma, min=self.range[0], max=self.range[1])

    def forward(self, x, randn_like=torch.randn_like):
        parts = elbo(x, self.encode, self.decode, 1, randn_like)
        return parts["elbo"].neg().mean()

    def sample(self, n, randn_like=torch.randn_like):
        like = next(iter(self.parameters()))
        z = randn_like(torch.empty(n, self.m, dtype=like.dtype, device=like.device))
        mean, log_sigma = self.decode(z)
        sigma = torch.exp(log_sigma)
        return torch.addcmul(mean, sigma, randn_like(mean)), mean, sigma
""",
    ),
    Right(
        exercise="ex7-vae",
        name="forward-written-out",
        code="""
class VAE(nn.Module):
    def __init__(self, encoder, decoder, m, log_sigma_range=(-2.0, 2.0)):
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder
        self.m, self.log_sigma_range = m, log_sigma_range

    def encode(self, x):
        h = self.encoder(x)
        if h.shape[-1] != 2 * self.m:
            raise ValueError(f"{h.shape[-1]} outputs")
        return h.split(self.m, dim=1)

    def decode(self, z):
        h = self.decoder(z)
        D = h.shape[1] // 2
        low, high = self.log_sigma_range
        return h[:, :D], torch.clip(h[:, D:], low, high)

    def forward(self, x, randn_like=torch.randn_like):
        mu, logvar = self.encode(x)
        mean, log_sigma = self.decode(reparameterize(mu, logvar, randn_like))
        rec = gaussian_log_likelihood(x, mean, log_sigma).mean()
        return kl_standard_normal(mu, logvar).mean() - rec

    def sample(self, n, randn_like=torch.randn_like):
        some = next(self.parameters())
        mean, log_sigma = self.decode(randn_like(some.new_empty((n, self.m))))
        return mean + log_sigma.exp() * randn_like(mean), mean, log_sigma.exp()
""",
    ),
]
