"""Right answers to exercise 8, written differently."""

from autograder.variants import Right

VARIANTS = [
    Right(
        exercise="ex8-ladder-mlp",
        name="functional",
        code="""
class LadderMLP(nn.Module):
    def __init__(self, n, h1, h2, n_classes):
        super().__init__()
        self.W1 = nn.Linear(n, h1)
        self.W2 = nn.Linear(h1, h2)
        self.W3 = nn.Linear(h2, n_classes)
        self.V3 = nn.Linear(n_classes, h2)
        self.V2 = nn.Linear(h2 + h2, h1)
        self.V1 = nn.Linear(h1 + h1, n)

    def forward(self, xt):
        first = F.relu(self.W1(xt))
        second = F.relu(self.W2(first))
        logits = self.W3(second)
        down = F.relu(self.V3(logits))
        down = F.relu(self.V2(torch.hstack((down, second))))
        return logits, self.V1(torch.hstack((down, first)))
""",
    ),
    Right(
        exercise="ex8-ladder-mlp",
        name="loop",
        code="""
class LadderMLP(nn.Module):
    def __init__(self, n, h1, h2, n_classes):
        super().__init__()
        widths = dict(W1=(n, h1), W2=(h1, h2), W3=(h2, n_classes), V3=(n_classes, h2), V2=(2 * h2, h1), V1=(2 * h1, n))
        for name, (a, b) in widths.items():
            setattr(self, name, nn.Linear(a, b))

    def forward(self, xt):
        h1 = self.W1(xt).clamp(min=0)
        h2 = self.W2(h1).clamp(min=0)
        logits = self.W3(h2)
        u = self.V3(logits).clamp(min=0)
        u = self.V2(torch.cat((u, h2), -1)).clamp(min=0)
        return logits, self.V1(torch.cat((u, h1), -1))
""",
    ),
    Right(
        exercise="ex8-ladder-loss",
        name="log-softmax-and-index",
        code="""
def ladder_loss(model, x_lab, y, x_unl, sigma, lam=1.0, randn_like=torch.randn_like):
    B1 = x_lab.shape[0]
    if B1 < 1:
        raise ValueError("no labels")
    clean = torch.vstack([x_lab, x_unl])
    noisy = clean + randn_like(clean) * sigma
    logits, x_hat = model(noisy)
    log_p = torch.log_softmax(logits[:B1], dim=-1)
    ce = -log_p[torch.arange(B1, device=y.device), y].mean()
    den = (x_hat - clean).square().sum() / clean.shape[0]
    total = ce + lam * den
    return total, ce, den
""",
    ),
    Right(
        exercise="ex8-ladder-loss",
        name="one-hot",
        code="""
def ladder_loss(model, x_lab, y, x_unl, sigma, lam=1.0, randn_like=torch.randn_like):
    if not len(y):
        raise ValueError("no labels")
    x = torch.cat((x_lab, x_unl), dim=0)
    logits, x_hat = model(torch.add(x, randn_like(x), alpha=sigma))
    top = logits[: len(y)]
    hot = F.one_hot(y, top.shape[1]).to(top.dtype)
    ce = -(hot * F.log_softmax(top, dim=1)).sum(dim=1).mean()
    den = torch.einsum("bi,bi->b", x - x_hat, x - x_hat).mean()
    return lam * den + ce, ce, den
""",
    ),
]
