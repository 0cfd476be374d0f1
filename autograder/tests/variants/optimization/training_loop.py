"""Right answers to exercise 9, written differently."""

from autograder.variants import Right

VARIANTS = [
    Right(
        exercise="ex9-minibatches",
        name="generator-function",
        code="""
def minibatches(n, batch_size, generator, drop_last=False):
    if batch_size <= 0:
        raise ValueError("batch_size")
    order = torch.randperm(n, generator=generator)
    for start in range(0, n, batch_size):
        batch = order[start : start + batch_size]
        if drop_last and len(batch) != batch_size:
            return
        yield batch
""",
    ),
    Right(
        exercise="ex9-minibatches",
        name="sorted-random-numbers",
        code="""
def minibatches(n, batch_size, generator, drop_last=False):
    if not batch_size >= 1:
        raise ValueError("batch_size")
    order = torch.rand(n, generator=generator, dtype=torch.float64).argsort()
    end = n - n % batch_size if drop_last else n
    return [order[i : min(i + batch_size, end)] for i in range(0, end, batch_size)]
""",
    ),
    Right(
        exercise="ex9-lr-at",
        name="numpy-and-a-loop",
        code="""
def lr_at(k, kind, lr0, **kw):
    schedules = {
        "exponential": lambda rate: lr0 * np.exp(-rate * k),
        "inverse": lambda rate: 1.0 / (1.0 / lr0 + rate * k / lr0),
        "step": lambda every, factor: lr0 * math.prod([factor] * int(k / every)),
    }
    if kind not in schedules:
        raise ValueError(kind)
    return schedules[kind](**kw)
""",
    ),
    Right(
        exercise="ex9-lr-at",
        name="match",
        code="""
def lr_at(k, kind, lr0, **kw):
    match kind:
        case "exponential":
            return lr0 * torch.exp(torch.tensor(-kw["rate"] * k, dtype=torch.float64))
        case "inverse":
            return lr0 * (1 + kw["rate"] * k) ** -1
        case "step":
            rate, left = lr0, k
            while left >= kw["every"]:
                rate, left = rate * kw["factor"], left - kw["every"]
            return rate
    raise ValueError("unknown kind")
""",
    ),
    Right(
        exercise="ex9-clip",
        name="minimum-maximum-and-stacked-norms",
        code="""
@torch.no_grad()
def clip_grad_value_(params, g_max):
    if not g_max > 0:
        raise ValueError("g_max")
    for g in [p.grad for p in params]:
        if g is None:
            continue
        g.copy_(torch.minimum(torch.full_like(g, g_max), torch.maximum(torch.full_like(g, -g_max), g)))


@torch.no_grad()
def clip_grad_norm_(params, max_norm):
    if not max_norm > 0:
        raise ValueError("max_norm")
    params = [p for p in params if p.grad is not None]
    total = torch.linalg.vector_norm(torch.stack([torch.linalg.vector_norm(p.grad) for p in params]))
    factor = torch.clamp(max_norm / (total + 1e-6), max=1.0)
    for p in params:
        p.grad *= factor
    return total
""",
    ),
    Right(
        exercise="ex9-clip",
        name="masks-and-one-flat-vector",
        code="""
def clip_grad_value_(params, g_max):
    if g_max <= 0:
        raise ValueError(g_max)
    for p in params:
        if p.grad is None:
            continue
        p.grad[p.grad > g_max] = g_max
        p.grad[p.grad < -g_max] = -g_max


def clip_grad_norm_(params, max_norm):
    if max_norm <= 0:
        raise ValueError(max_norm)
    grads = []
    for p in params:
        if p.grad is not None:
            grads.append(p.grad)
    norm = float(torch.cat([g.reshape(-1).double() for g in grads]).norm())
    scale = min(1.0, max_norm / norm) if norm else 1.0
    for g in grads:
        g *= scale
    return norm
""",
    ),
    Right(
        exercise="ex9-gradient-noise",
        name="normal-of-the-gradient",
        code="""
def add_gradient_noise_(params, k, eta=0.01, gamma=0.55, generator=None):
    sigma = eta**0.5 * (k + 1) ** (-gamma / 2)
    with torch.no_grad():
        for p in params:
            if p.grad is None:
                continue
            p.grad += torch.empty_like(p.grad).normal_(0.0, sigma, generator=generator)
""",
    ),
    Right(
        exercise="ex9-gradient-noise",
        name="normal-around-the-gradient",
        code="""
def add_gradient_noise_(params, k, eta=0.01, gamma=0.55, generator=None):
    variance = eta * math.exp(-gamma * math.log1p(k))
    for grad in (p.grad for p in params if p.grad is not None):
        grad.copy_(torch.normal(grad, math.sqrt(variance), generator=generator))
""",
    ),
    Right(
        exercise="ex9-ema",
        name="parameters-and-buffers-by-name",
        code='''
class EMA:
    """Walks over parameters and buffers; swap exchanges tensor by tensor."""

    def __init__(self, model, gamma):
        if gamma < 0 or gamma >= 1:
            raise ValueError("gamma")
        self.model, self.gamma = model, gamma
        self.shadow = {}
        for name, value in self.live():
            self.shadow[name] = torch.empty_like(value).copy_(value.data).requires_grad_(False)

    def live(self):
        yield from self.model.named_parameters()
        yield from self.model.named_buffers()

    def update(self):
        with torch.no_grad():
            for name, value in self.live():
                if torch.is_floating_point(value):
                    self.shadow[name] += (1 - self.gamma) * (value - self.shadow[name])
                else:
                    self.shadow[name] = value.clone()

    def swap(self):
        with torch.no_grad():
            for name, value in self.live():
                kept = value.detach().clone()
                value.copy_(self.shadow[name])
                self.shadow[name].copy_(kept)
''',
    ),
    Right(
        exercise="ex9-ema",
        name="exchanges-the-memory",
        code='''
class EMA:
    """swap exchanges what the tensors point to; nothing is copied."""

    def __init__(self, model, gamma):
        if not (0.0 <= gamma < 1.0):
            raise ValueError(gamma)
        self.gamma = gamma
        self.tensors = dict(model.named_parameters()) | dict(model.named_buffers())
        self.shadow = {name: t.detach().clone() for name, t in self.tensors.items()}

    @torch.no_grad()
    def update(self):
        for name, t in self.tensors.items():
            if t.is_floating_point():
                self.shadow[name].lerp_(t, 1 - self.gamma)
            else:
                self.shadow[name].copy_(t)

    def swap(self):
        for name, t in self.tensors.items():
            t.data, self.shadow[name] = self.shadow[name], t.data
''',
    ),
    Right(
        exercise="ex9-update-ratio",
        name="one-flat-vector",
        code="""
def update_ratio(before, after):
    old = torch.cat([t.reshape(-1) for t in before])
    new = torch.cat([t.reshape(-1) for t in after])
    return (new - old).norm() / old.norm()
""",
    ),
    Right(
        exercise="ex9-update-ratio",
        name="norms-of-norms",
        code="""
def update_ratio(before, after):
    change = math.hypot(*[float(torch.linalg.vector_norm(a - b)) for a, b in zip(after, before)])
    return change / math.hypot(*[float(torch.linalg.vector_norm(b)) for b in before])
""",
    ),
]
