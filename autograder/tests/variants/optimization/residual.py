"""Right answers to exercise 7, written differently."""

from autograder.variants import Right

VARIANTS = [
    Right(
        exercise="ex7-residual-mlp",
        name="sequential-branch",
        code='''
class ResidualBlock(nn.Module):
    """The branch as nn.Sequential, with names for its two linear layers."""

    def __init__(self, width, skip=True):
        super().__init__()
        branch = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width))
        self.fc1, self.relu, self.fc2 = branch
        self.skip = skip

    def forward(self, x):
        f = self.fc2(self.relu(self.fc1(x)))
        if self.skip:
            return x + f
        return F.relu(f)


class ResidualMLP(nn.Module):
    def __init__(self, d_in, width, n_blocks, d_out, branch_init="scaled", skip=True):
        super().__init__()
        if branch_init not in {"he", "scaled", "zero"}:
            raise ValueError(branch_init)
        if n_blocks < 0:
            raise ValueError(n_blocks)
        self.inp = self.linear(d_in, width)
        self.blocks = nn.ModuleList()
        for _ in range(n_blocks):
            block = ResidualBlock(width, skip)
            block.fc1 = self.linear(width, width)
            scale = {"he": 1.0, "zero": 0.0, "scaled": n_blocks**-0.5}[branch_init]
            block.fc2 = self.linear(width, width, scale)
            self.blocks.append(block)
        self.out = self.linear(width, d_out)

    @staticmethod
    def linear(a, b, scale=1.0):
        layer = nn.Linear(a, b)
        layer.weight.data = scale * torch.randn(b, a) * math.sqrt(2 / a)
        layer.bias.data.zero_()
        return layer

    def forward(self, x):
        x = F.relu(self.inp(x))
        for block in self.blocks:
            x = block(x)
        return self.out(x)
''',
    ),
    Right(
        exercise="ex7-residual-mlp",
        name="adds-to-the-branch-in-place",
        code="""
class ResidualBlock(nn.Module):
    def __init__(self, width, skip):
        super().__init__()
        self.fc1 = nn.Linear(width, width)
        self.fc2 = nn.Linear(width, width)
        self.skip = skip

    def forward(self, x):
        y = self.fc2(self.fc1(x).relu())
        if not self.skip:
            return torch.relu(y)
        y += x  # what fc2 returned may be changed: no gradient needs it
        return y


class ResidualMLP(nn.Module):
    def __init__(self, d_in, width, n_blocks, d_out, branch_init="scaled", skip=True):
        super().__init__()
        if branch_init not in ["he", "scaled", "zero"]:
            raise ValueError("branch_init")
        if n_blocks < 0:
            raise ValueError("n_blocks")
        self.inp = nn.Linear(d_in, width)
        self.blocks = nn.ModuleList([ResidualBlock(width, skip) for _ in range(n_blocks)])
        self.out = nn.Linear(width, d_out)
        self.apply(self.start)
        for block in self.blocks:
            if branch_init == "scaled":
                block.fc2.weight.data /= n_blocks**0.5
            if branch_init == "zero":
                nn.init.zeros_(block.fc2.weight)

    @staticmethod
    def start(module):
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, 0, math.sqrt(2 / module.weight.shape[1]))
            nn.init.constant_(module.bias, 0)

    def forward(self, x):
        return self.out(nn.Sequential(*self.blocks)(F.relu(self.inp(x))))
""",
    ),
    Right(
        exercise="ex7-residual-mlp",
        name="blocks-without-a-forward",
        code='''
class ResidualMLP(nn.Module):
    """The blocks only hold their layers; the network does the work."""

    def __init__(self, d_in, width, n_blocks, d_out, branch_init="scaled", skip=True):
        super().__init__()
        if n_blocks < 0 or branch_init not in ["zero", "he", "scaled"]:
            raise ValueError("arguments")
        self.skip = skip
        self.inp = nn.Linear(d_in, width)
        self.blocks = nn.ModuleList(
            [nn.ModuleDict({"fc1": nn.Linear(width, width), "fc2": nn.Linear(width, width)}) for _ in range(n_blocks)]
        )
        for block in self.blocks:
            block.fc1, block.fc2 = block["fc1"], block["fc2"]
        self.out = nn.Linear(width, d_out)
        with torch.no_grad():
            for layer in [self.inp, self.out] + [l for b in self.blocks for l in (b.fc1, b.fc2)]:
                layer.weight.normal_(0, (2 / layer.in_features) ** 0.5)
                layer.bias.fill_(0)
            for block in self.blocks:
                if branch_init == "zero":
                    block.fc2.weight.zero_()
                elif branch_init == "scaled":
                    block.fc2.weight.div_(math.sqrt(n_blocks))

    def forward(self, x):
        h = self.inp(x).clamp(min=0)
        for block in self.blocks:
            branch = block.fc2(block.fc1(h).relu())
            h = torch.add(h, branch) if self.skip else branch.relu()
        return self.out(h)
''',
    ),
]
