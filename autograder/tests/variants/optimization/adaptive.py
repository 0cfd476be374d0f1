"""Right answers to exercise 8: RMSprop and Adam, written differently."""

from autograder.variants import Right

VARIANTS = [
    Right(
        exercise="ex8-rmsprop",
        name="lerp-and-addcdiv",
        code="""
class RMSprop(Optimizer):
    def __init__(self, params, lr=1e-2, beta=0.99, eps=1e-8):
        super().__init__(params)
        if lr < 0 or beta < 0 or beta >= 1:
            raise ValueError("settings")
        self.lr, self.beta, self.eps = lr, beta, eps
        self.v = {id(p): torch.zeros_like(p.data) for p in self.params}

    @torch.no_grad()
    def step(self):
        for p in filter(lambda q: q.grad is not None, self.params):
            v = self.v[id(p)].lerp_(p.grad.square(), 1 - self.beta)
            p.addcdiv_(p.grad, torch.sqrt(v) + self.eps, value=-self.lr)
""",
    ),
    Right(
        exercise="ex8-rmsprop",
        name="state-in-a-list-through-data",
        code="""
class RMSprop(Optimizer):
    def __init__(self, params, lr=1e-2, beta=0.99, eps=1e-8):
        super().__init__(params)
        if lr < 0:
            raise ValueError("lr")
        if not (beta >= 0 and beta < 1):
            raise ValueError("beta")
        self.lr, self.beta, self.eps = lr, beta, eps
        self.average = [0.0 for _ in self.params]

    def step(self):
        for k, p in enumerate(self.params):
            if p.grad is None:
                continue
            g = p.grad.clone()
            self.average[k] = self.beta * self.average[k] + g * g * (1 - self.beta)
            p.data.sub_(g.div_(self.average[k] ** 0.5 + self.eps), alpha=self.lr)
""",
    ),
    Right(
        exercise="ex8-adam",
        name="a-clock-per-parameter",
        code='''
class Adam(Optimizer):
    """As torch does it: each parameter counts its own steps, the corrections are drawn together."""

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8):
        super().__init__(params)
        if lr < 0 or not (0 <= betas[0] < 1 and 0 <= betas[1] < 1):
            raise ValueError("settings")
        self.lr, self.betas, self.eps = lr, betas, eps
        self.state = {}

    @torch.no_grad()
    def step(self):
        b1, b2 = self.betas
        for p in self.params:
            if p.grad is None:
                continue
            s = self.state.setdefault(p, {"t": 0, "m": torch.zeros_like(p), "v": torch.zeros_like(p)})
            s["t"] += 1
            s["m"].mul_(b1).add_(p.grad, alpha=1 - b1)
            s["v"].mul_(b2).addcmul_(p.grad, p.grad, value=1 - b2)
            root = s["v"].sqrt() / math.sqrt(1 - b2 ** s["t"])
            p.addcdiv_(s["m"], root + self.eps, value=-self.lr / (1 - b1 ** s["t"]))
''',
    ),
    Right(
        exercise="ex8-adam",
        name="products-of-the-betas",
        code='''
class Adam(Optimizer):
    """The powers of beta are kept as running products; moments are new tensors every time."""

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8):
        super().__init__(params)
        for value in betas:
            if value < 0 or value >= 1:
                raise ValueError("betas")
        if lr < 0:
            raise ValueError("lr")
        self.lr, self.betas, self.eps = lr, tuple(betas), eps
        self.m = [torch.zeros(p.shape, dtype=p.dtype, device=p.device) for p in self.params]
        self.v = [torch.zeros(p.shape, dtype=p.dtype, device=p.device) for p in self.params]
        self.powers = [1.0, 1.0]

    def step(self):
        self.powers = [power * beta for power, beta in zip(self.powers, self.betas)]
        with torch.no_grad():
            for i, p in enumerate(self.params):
                g = p.grad
                if g is None:
                    continue
                self.m[i] = torch.lerp(g, self.m[i], self.betas[0])
                self.v[i] = torch.lerp(g * g, self.v[i], self.betas[1])
                mean = self.m[i] / (1 - self.powers[0])
                square = self.v[i] / (1 - self.powers[1])
                p -= self.lr * mean / (square**0.5 + self.eps)
''',
    ),
]
