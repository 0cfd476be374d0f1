"""Right answers to exercise 2, written differently."""

from autograder.variants import Right

VARIANTS = [
    Right(
        exercise="ex2-reconstruction-loss",
        name="einsum",
        code="""
def reconstruction_loss(x, x_hat):
    if tuple(x.shape) != tuple(x_hat.shape):
        raise ValueError("shapes")
    d = (x - x_hat).reshape(len(x), -1)
    return torch.einsum("bi,bi->", d, d) / len(x)
""",
    ),
    Right(
        exercise="ex2-reconstruction-loss",
        name="loop",
        code="""
def reconstruction_loss(x, x_hat):
    if x.size() != x_hat.size():
        raise ValueError("shapes")
    total = 0
    for a, b in zip(x, x_hat):
        total = total + torch.square(b - a).sum()
    return total / x.shape[0]
""",
    ),
    Right(
        exercise="ex2-reconstruction-loss",
        name="scaled-mse",
        code="""
def reconstruction_loss(x, x_hat):
    if x.shape != x_hat.shape:
        raise ValueError("shapes")
    return F.mse_loss(x_hat, x, reduction="sum") / len(x)
""",
    ),
    Right(
        exercise="ex2-tied",
        name="functional-linear",
        code="""
def orthogonality_penalty(W):
    gram = torch.einsum("ni,nj->ij", W, W)
    return torch.linalg.matrix_norm(gram - torch.diag(torch.ones_like(gram[0]))).square()


class TiedLinearAutoencoder(nn.Module):
    def __init__(self, n, m):
        super().__init__()
        W = torch.empty(n, m)
        nn.init.orthogonal_(W)
        self.W = nn.Parameter(W)

    def encode(self, x):
        return F.linear(x, self.W.mT)

    def decode(self, z):
        return F.linear(z, self.W)

    def forward(self, x):
        z = self.encode(x)
        x_hat = self.decode(z)
        return x_hat, z
""",
    ),
    Right(
        exercise="ex2-tied",
        name="trace",
        code="""
def orthogonality_penalty(W):
    # the squared norm of A is the trace of A^T A
    A = W.T @ W
    return (A * A).sum() - 2 * A.diagonal().sum() + W.shape[1]


class TiedLinearAutoencoder(nn.Module):
    def __init__(self, n, m):
        super().__init__()
        self.W = nn.Parameter(0.3 * torch.randn(n, m))

    def encode(self, x):
        return torch.matmul(x, self.W)

    def decode(self, z):
        return torch.matmul(z, self.W.t())

    def forward(self, x):
        return x @ self.W @ self.W.T, x @ self.W
""",
    ),
    Right(
        exercise="ex2-bottleneck",
        name="module-list",
        code="""
class BottleneckAutoencoder(nn.Module):
    def __init__(self, n_in, hidden, m, act=nn.ReLU):
        super().__init__()
        if m <= 0:
            raise ValueError("m")
        self.n_in, self.act = n_in, act()
        sizes = [n_in] + list(hidden) + [m]
        self.down = nn.ModuleList(nn.Linear(a, b) for a, b in zip(sizes[:-1], sizes[1:]))
        self.up = nn.ModuleList(nn.Linear(b, a) for a, b in reversed(list(zip(sizes[:-1], sizes[1:]))))

    def walk(self, layers, h):
        for layer in layers[:-1]:
            h = self.act(layer(h))
        return layers[-1](h)

    def encode(self, x):
        if x[0].numel() != self.n_in:
            raise ValueError("entries")
        return self.walk(self.down, x.reshape(len(x), -1))

    def decode(self, z):
        return self.walk(self.up, z)

    def forward(self, x):
        z = self.encode(x)
        return self.decode(z).view_as(x), z
""",
    ),
    Right(
        exercise="ex2-bottleneck",
        name="two-loops",
        code="""
class BottleneckAutoencoder(nn.Module):
    def __init__(self, n_in, hidden, m, act=nn.ReLU):
        super().__init__()
        if m < 1:
            raise ValueError("m must be positive")
        self.n_in = n_in
        encoder, last = [], n_in
        for width in hidden:
            encoder.append(nn.Linear(last, width))
            encoder.append(act())
            last = width
        encoder.append(nn.Linear(last, m))
        decoder, last = [], m
        for width in list(hidden)[::-1]:
            decoder.append(nn.Linear(last, width))
            decoder.append(act())
            last = width
        decoder.append(nn.Linear(last, n_in))
        self.f, self.g = nn.Sequential(*encoder), nn.Sequential(*decoder)

    def encode(self, x):
        x = torch.flatten(x, start_dim=1)
        if x.shape[-1] != self.n_in:
            raise ValueError(f"{x.shape[-1]} entries instead of {self.n_in}")
        return self.f(x)

    def decode(self, z):
        return self.g(z)

    def forward(self, x):
        z = self.encode(x)
        return self.g(z).reshape(*x.shape), z
""",
    ),
]
