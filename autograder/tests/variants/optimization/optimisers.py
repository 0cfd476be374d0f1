"""Right answers to exercise 8: momentum, Rprop and AdaGrad, written differently."""

from autograder.variants import Right

VARIANTS = [
    Right(
        exercise="ex8-sgd",
        name="torch-convention",
        code='''
class SGD(Optimizer):
    """The buffer collects gradients, the step size comes last; made when the first gradient comes."""

    def __init__(self, params, lr, momentum=0.0, nesterov=False):
        super().__init__(params)
        if lr < 0.0 or momentum < 0.0 or momentum >= 1.0 or (nesterov and not momentum):
            raise ValueError("bad settings")
        self.lr, self.mu, self.nesterov = lr, momentum, nesterov
        self.state = {}

    @torch.no_grad()
    def step(self):
        for p in self.params:
            g = p.grad
            if g is None:
                continue
            if self.mu:
                buffer = self.state.get(id(p))
                buffer = g.clone() if buffer is None else self.mu * buffer + g
                self.state[id(p)] = buffer
                g = g + self.mu * buffer if self.nesterov else buffer
            p.sub_(g, alpha=self.lr)
''',
    ),
    Right(
        exercise="ex8-sgd",
        name="all-parameters-at-once",
        code="""
class SGD(Optimizer):
    # torch's operations on lists; Nesterov as mu * v' - lr * g, which is the same
    def __init__(self, params, lr, momentum=0.0, nesterov=False):
        super().__init__(params)
        if lr < 0 or momentum < 0 or momentum >= 1 or (nesterov and momentum == 0):
            raise ValueError("settings")
        self.lr, self.momentum, self.nesterov = lr, momentum, nesterov
        self.v = {}

    @torch.no_grad()
    def step(self):
        params = [p for p in self.params if p.grad is not None]
        if not params:
            return
        pushes = torch._foreach_mul([p.grad for p in params], self.lr)
        speeds = [self.v.setdefault(p, torch.zeros_like(p)) for p in params]
        torch._foreach_mul_(speeds, self.momentum)
        torch._foreach_sub_(speeds, pushes)
        if self.nesterov:
            torch._foreach_add_(params, torch._foreach_mul(speeds, self.momentum))
            torch._foreach_sub_(params, pushes)
        else:
            torch._foreach_add_(params, speeds)
""",
    ),
    Right(
        exercise="ex8-sgd",
        name="through-data",
        code='''
class SGD(Optimizer):
    """No decorator needed: everything goes through .data."""

    def __init__(self, params, lr, momentum=0.0, nesterov=False):
        super().__init__(params)
        if not lr >= 0:
            raise ValueError("lr")
        if not 0 <= momentum < 1:
            raise ValueError("momentum")
        if momentum == 0 and nesterov:
            raise ValueError("nesterov")
        self.lr = lr
        self.momentum = momentum
        self.nesterov = nesterov
        self.v = [0.0] * len(self.params)

    def step(self):
        for i in range(len(self.params)):
            if self.params[i].grad is not None:
                old = self.v[i]
                new = self.momentum * old - self.lr * self.params[i].grad.data
                self.v[i] = new
                if self.nesterov:
                    self.params[i].data += -self.momentum * old + (1 + self.momentum) * new
                else:
                    self.params[i].data += new
''',
    ),
    Right(
        exercise="ex8-rprop",
        name="where-and-products",
        code='''
class Rprop(Optimizer):
    """torch.where on the product of the last two gradients."""

    def __init__(self, params, lr=1e-2, etas=(0.5, 1.2), step_sizes=(1e-6, 50.0)):
        super().__init__(params)
        if lr < 0:
            raise ValueError("lr")
        self.etas, self.bounds, self.lr = etas, step_sizes, lr
        self.memory = [None] * len(self.params)

    @torch.no_grad()
    def step(self):
        down, up = self.etas
        for i, p in enumerate(self.params):
            if p.grad is None:
                continue
            if self.memory[i] is None:
                self.memory[i] = (torch.zeros_like(p), torch.ones_like(p) * self.lr)
            last, size = self.memory[i]
            product = torch.sign(p.grad) * torch.sign(last)
            size = torch.where(product > 0, size * up, size)
            size = torch.where(product < 0, size * down, size)
            size = torch.clamp(size, self.bounds[0], self.bounds[1])
            p += -size * torch.sign(p.grad)
            self.memory[i] = (p.grad.clone(), size)
''',
    ),
    Right(
        exercise="ex8-rprop",
        name="factor-by-arithmetic",
        code='''
class Rprop(Optimizer):
    """The factor as a tensor: 1.2 to the power of one sign, 0.5 to the power of the other."""

    def __init__(self, params, lr=1e-2, etas=(0.5, 1.2), step_sizes=(1e-6, 50.0)):
        super().__init__(params)
        if lr < 0:
            raise ValueError(lr)
        self.etas, self.step_sizes = etas, step_sizes
        self.sizes = {p: torch.full(p.shape, lr, dtype=p.dtype, device=p.device) for p in self.params}
        self.signs = {p: torch.zeros(p.shape, dtype=p.dtype, device=p.device) for p in self.params}

    def step(self):
        with torch.no_grad():
            for p in self.params:
                if p.grad is not None:
                    s = torch.sign(p.grad)
                    same = (s * self.signs[p] == 1).to(p.dtype)
                    flip = (s * self.signs[p] == -1).to(p.dtype)
                    factor = 1 + same * (self.etas[1] - 1) + flip * (self.etas[0] - 1)
                    low, high = self.step_sizes
                    self.sizes[p] = (self.sizes[p] * factor).clip(low, high)
                    self.signs[p] = s
                    p.copy_(p - self.sizes[p] * s)
''',
    ),
    Right(
        exercise="ex8-adagrad",
        name="addcmul-and-addcdiv",
        code="""
class Adagrad(Optimizer):
    def __init__(self, params, lr=1e-2, eps=1e-10):
        super().__init__(params)
        if lr < 0:
            raise ValueError("lr")
        self.lr, self.eps = lr, eps
        self.s = {}

    @torch.no_grad()
    def step(self):
        for i, p in enumerate(self.params):
            if p.grad is None:
                continue
            s = self.s.setdefault(i, torch.zeros_like(p))
            s.addcmul_(p.grad, p.grad)
            p.addcdiv_(p.grad, s.sqrt().add_(self.eps), value=-self.lr)
""",
    ),
    Right(
        exercise="ex8-adagrad",
        name="new-sums-every-step",
        code="""
class Adagrad(Optimizer):
    def __init__(self, params, lr=1e-2, eps=1e-10):
        if lr < 0:
            raise ValueError("lr")
        super().__init__(params)
        self.lr = lr
        self.eps = eps
        self.sums = [0] * len(self.params)

    def step(self):
        grads = [None if p.grad is None else p.grad.detach() for p in self.params]
        self.sums = [s if g is None else s + g.square() for s, g in zip(self.sums, grads)]
        for p, g, s in zip(self.params, grads, self.sums):
            if g is not None:
                p.data -= self.lr / (torch.sqrt(s) + self.eps) * g
""",
    ),
]
