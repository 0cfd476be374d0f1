"""Right answers to exercise 6, written differently."""

from autograder.variants import Right

VARIANTS = [
    Right(
        exercise="ex6-batch-norm",
        name="fused-with-sums-of-squares",
        code='''
class BatchNorm1d(nn.Module):
    """y = a x + (beta - a mean), statistics from explicit sums, a counter of batches."""

    def __init__(self, num_features, eps=1e-5, momentum=0.1):
        super().__init__()
        self.D, self.eps, self.alpha = num_features, eps, momentum
        self.gamma = nn.Parameter(torch.ones(num_features))
        self.beta = nn.Parameter(torch.zeros(num_features))
        self.register_buffer("running_mean", torch.zeros(num_features))
        self.register_buffer("running_var", torch.ones(num_features))
        self.register_buffer("batches", torch.tensor(0))

    def forward(self, x):
        if x.dim() != 2 or x.size(1) != self.D:
            raise ValueError("shape")
        if not self.training:
            a = self.gamma * torch.rsqrt(self.running_var + self.eps)
            return torch.addcmul(self.beta - a * self.running_mean, a, x)
        N = x.size(0)
        if N < 2:
            raise ValueError("batch of one")
        mean = x.sum(0) / N
        centred = x - mean
        ss = (centred * centred).sum(0)
        a = self.gamma / (ss / N + self.eps).sqrt()
        self.batches += 1
        self.running_mean.mul_(1 - self.alpha).add_(mean.detach(), alpha=self.alpha)
        self.running_var.mul_(1 - self.alpha).add_(ss.detach() / (N - 1), alpha=self.alpha)
        return a * x + (self.beta - a * mean)
''',
    ),
    Right(
        exercise="ex6-batch-norm",
        name="new-buffers-each-time",
        code='''
class BatchNorm1d(nn.Module):
    """var_mean, and buffers that are assigned and not changed in place."""

    def __init__(self, num_features, eps=1e-5, momentum=0.1):
        nn.Module.__init__(self)
        self.register_parameter("gamma", nn.Parameter(torch.full((num_features,), 1.0)))
        self.register_parameter("beta", nn.Parameter(torch.full((num_features,), 0.0)))
        for name, value in (("running_mean", 0.0), ("running_var", 1.0)):
            self.register_buffer(name, torch.full((num_features,), value))
        self.eps = eps
        self.momentum = momentum

    def forward(self, x):
        shape = tuple(x.shape)
        if len(shape) != 2 or shape[1] != self.gamma.numel():
            raise ValueError(shape)
        if self.training:
            if shape[0] == 1:
                raise ValueError("one row has no variance")
            var, mu = torch.var_mean(x, dim=0, correction=0)
            with torch.no_grad():
                m = self.momentum
                self.running_mean = self.running_mean * (1 - m) + m * mu
                self.running_var = self.running_var * (1 - m) + m * x.var(dim=0)
        else:
            mu, var = self.running_mean, self.running_var
        normal = (x - mu) * (var + self.eps) ** -0.5
        return normal * self.gamma + self.beta
''',
    ),
    Right(
        exercise="ex6-batch-norm",
        name="made-in-float32",
        code="""
class BatchNorm1d(nn.Module):
    # the dtype is spelled out: .double() or .to(...) turns the layer into another one
    def __init__(self, num_features, eps=1e-5, momentum=0.1):
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        one, zero = (torch.full((num_features,), value, dtype=torch.float32) for value in (1.0, 0.0))
        self.gamma, self.beta = nn.Parameter(one.clone()), nn.Parameter(zero.clone())
        self.register_buffer("running_mean", zero)
        self.register_buffer("running_var", one)

    def forward(self, x):
        if x.ndim != 2 or x.shape[1] != self.num_features:
            raise ValueError("x")
        mean, var = self.running_mean, self.running_var
        if self.training:
            n = x.shape[0]
            if n == 1:
                raise ValueError("a batch of one")
            mean = x.mean(0, keepdim=True)
            var = ((x - mean) ** 2).mean(0, keepdim=True)
            a = self.momentum
            self.running_mean = ((1 - a) * self.running_mean + a * mean.squeeze(0)).detach()
            self.running_var = ((1 - a) * self.running_var + a * var.squeeze(0) * n / (n - 1)).detach()
        return (x - mean) / (var + self.eps).sqrt() * self.gamma + self.beta
""",
    ),
    Right(
        exercise="ex6-batch-norm",
        name="mean-of-squares-minus-square-of-mean",
        code='''
class BatchNorm1d(nn.Module):
    """E x^2 - mu^2, column by column in a comprehension for training."""

    def __init__(self, num_features, eps=1e-5, momentum=0.1):
        super().__init__()
        self.gamma, self.beta = nn.Parameter(torch.ones(num_features)), nn.Parameter(torch.zeros(num_features))
        self.register_buffer("running_mean", torch.zeros(num_features))
        self.register_buffer("running_var", torch.ones(num_features))
        self.eps, self.momentum = eps, momentum

    def forward(self, x):
        if x.ndim != 2 or x.shape[-1] != self.gamma.shape[0]:
            raise ValueError("x")
        if not self.training:
            return self.normalise(x, self.running_mean, self.running_var)
        if len(x) == 1:
            raise ValueError("x")
        mean = torch.stack([column.mean() for column in x.T])
        var = (x**2).mean(0) - mean**2
        factor = len(x) / (len(x) - 1)
        self.running_mean.copy_(torch.lerp(self.running_mean, mean.data, self.momentum))
        self.running_var.copy_(torch.lerp(self.running_var, var.data * factor, self.momentum))
        return self.normalise(x, mean, var)

    def normalise(self, x, mean, var):
        return (x - mean) / (var + self.eps).sqrt() * self.gamma + self.beta
''',
    ),
]
