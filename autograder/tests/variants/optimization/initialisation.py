"""Right answers to exercise 5, written differently."""

from autograder.variants import Right

VARIANTS = [
    Right(
        exercise="ex5-init-weight",
        name="randn-and-copy",
        code='''
@torch.no_grad()
def init_weight_(W, scheme, generator=None):
    """Draws first, copies then."""
    if W.dim() != 2:
        raise ValueError("matrix expected")
    out, inn = W.shape
    variances = dict(
        zeros=0.0, small_normal=1e-4, unit_normal=1.0, lecun_normal=1 / inn, he_normal=2 / inn,
        xavier_normal=2 / (inn + out), xavier_uniform=2 / (inn + out),
    )
    try:
        v = variances[scheme]
    except KeyError:
        raise ValueError(f"unknown scheme {scheme}") from None
    if scheme == "xavier_uniform":
        noise = torch.rand(out, inn, generator=generator, dtype=W.dtype, device=W.device) * 2 - 1
        W.copy_(noise * (3 * v) ** 0.5)
    else:
        W.copy_(torch.randn(out, inn, generator=generator, dtype=W.dtype, device=W.device) * v**0.5)
    return W
''',
    ),
    Right(
        exercise="ex5-init-weight",
        name="one-branch-a-scheme-through-data",
        code="""
def init_weight_(W, scheme, generator=None):
    if len(W.shape) != 2:
        raise ValueError("W must have two axes")
    n_out, n_in = W.shape
    if scheme == "zeros":
        W.data.zero_()
    elif scheme == "small_normal":
        W.data.normal_(std=0.01, generator=generator)
    elif scheme == "unit_normal":
        W.data.normal_(generator=generator)
    elif scheme == "lecun_normal":
        W.data.normal_(std=n_in**-0.5, generator=generator)
    elif scheme == "xavier_normal":
        W.data.normal_(std=(2 / (n_in + n_out)) ** 0.5, generator=generator)
    elif scheme == "xavier_uniform":
        d = (6 / (n_in + n_out)) ** 0.5
        W.data.uniform_(-d, d, generator=generator)
    elif scheme == "he_normal":
        W.data.normal_(std=(2 / n_in) ** 0.5, generator=generator)
    else:
        raise ValueError(scheme)
    return W
""",
    ),
    Right(
        exercise="ex5-init-weight",
        name="normal-of-torch-init",
        code='''
def init_weight_(W, scheme, generator=None):
    """The finished schemes are forbidden, normal_ and uniform_ are not."""
    if W.ndim != 2 or scheme not in (
        "zeros", "small_normal", "unit_normal", "lecun_normal", "xavier_normal", "xavier_uniform", "he_normal"
    ):
        raise ValueError("init_weight_")
    fan_out, fan_in = W.shape[0], W.shape[1]
    if scheme == "zeros":
        return nn.init.zeros_(W)
    if scheme == "xavier_uniform":
        bound = math.sqrt(6.0 / (fan_in + fan_out))
        return nn.init.uniform_(W, -bound, bound, generator=generator)
    gain = {"small_normal": 0.01, "unit_normal": 1.0}.get(scheme)
    if gain is None:
        count = {"lecun_normal": fan_in, "he_normal": fan_in / 2, "xavier_normal": (fan_in + fan_out) / 2}[scheme]
        gain = 1 / math.sqrt(count)
    return nn.init.normal_(W, 0.0, gain, generator=generator)
''',
    ),
    Right(
        exercise="ex5-signal-stats",
        name="std-from-the-moments",
        code="""
def signal_stats(x, Ws, phi):
    signals = [x]
    for W in Ws:
        signals.append(phi(F.linear(signals[-1], W)))
    out = torch.zeros(len(signals), 3, dtype=x.dtype, device=x.device)
    for i, h in enumerate(signals):
        mean = h.sum() / h.numel()
        out[i, 0] = mean
        out[i, 1] = ((h - mean) ** 2).mean() ** 0.5
        out[i, 2] = torch.linalg.vector_norm(h) / h.numel() ** 0.5
    return out
""",
    ),
    Right(
        exercise="ex5-signal-stats",
        name="columns-transposed",
        code="""
def signal_stats(x, Ws, phi):
    h, rows = x.T, []
    for W in [None, *Ws]:
        if W is not None:
            h = phi(torch.matmul(W, h))
        flat = h.flatten()
        var, mean = torch.var_mean(flat, correction=0)
        rows.append([mean, var.sqrt(), flat.square().mean().sqrt()])
    return torch.stack([torch.stack(row) for row in rows])
""",
    ),
]
