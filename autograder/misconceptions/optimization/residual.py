"""Wrong answers to exercise 7: the residual network."""

from __future__ import annotations

from autograder.misconceptions.writing import wrongs_of

_forward = wrongs_of("ex7-residual-mlp", "ex7-residual-forward-test")
_init = wrongs_of("ex7-residual-mlp", "ex7-residual-init-test")

_SUM = "return x + branch if self.skip else torch.relu(branch)"
_LOOP = "        for block in self.blocks:\n            x = block(x)\n"
_FACTOR = 'factor = {"he": 1.0, "scaled": 1 / math.sqrt(max(n_blocks, 1)), "zero": 0.0}[branch_init]'
_HE = 'nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")'

MISCONCEPTIONS = [
    _forward(
        "relu-after-the-sum",
        (_SUM, "return torch.relu(x + branch) if self.skip else torch.relu(branch)"),
        says="nothing after the sum",
        hint="A ReLU after the sum closes the identity path for everything negative: nothing comes after the sum.",
    ),
    _forward(
        "skip-from-the-input-of-the-stack",
        (
            _LOOP,
            "        start = x\n        for block in self.blocks:\n"
            "            x = block(x) + (start - x if block.skip else 0)\n",
        ),
        says="the x that enters this block",
        hint="Each block adds to what enters IT; from the stack's input the sums of earlier blocks would be lost.",
    ),
    _forward(
        "multiplies-instead-of-adding",
        (_SUM, "return x * branch if self.skip else torch.relu(branch)"),
        says="x + F(x)",
        hint="Adding keeps the identity path open; a product is zero wherever the branch is.",
    ),
    _forward(
        "adds-in-place",
        (_SUM, "if not self.skip:\n            return torch.relu(branch)\n        x += branch\n        return x"),
        says="was changed in place",
        hint="`x += ...` overwrites what backward still needs. Write `x + branch`.",
    ),
    _forward(
        "skip-ignored",
        (_SUM, "return torch.relu(branch)"),
        says="x + F(x)",
        hint="With skip=True the input is added to the branch.",
    ),
    _forward(
        "skip-always-on",
        (_SUM, "return x + branch"),
        says="without skip relu(fc2(relu(fc1(x))))",
        hint="With skip=False the block is a plain chain: relu(F(x)).",
    ),
    _forward(
        "no-relu-inside-the-branch",
        ("self.fc2(torch.relu(self.fc1(x)))", "self.fc2(self.fc1(x))"),
        says="the output of two blocks",
        hint="Two linear layers without a ReLU between them are one linear layer.",
    ),
    _forward(
        "no-relu-behind-inp",
        ("x = torch.relu(self.inp(x))", "x = self.inp(x)"),
        says="relu comes after inp",
        hint="inp is followed by a ReLU.",
    ),
    _forward(
        "chain-without-relu-at-the-end",
        (_SUM, "return x + branch if self.skip else branch"),
        says="without skip relu(fc2(relu(fc1(x))))",
        hint="Without the skip every linear layer is followed by a ReLU: relu(F(x)).",
    ),
    _forward(
        "half-of-the-sum",
        (_SUM, "return (x + branch) / 2 if self.skip else torch.relu(branch)"),
        says="x + F(x)",
        hint="The identity path must keep its weight of 1, or it fades with depth.",
    ),
    _forward(
        "last-block-left-out",
        (
            "for block in self.blocks:\n            x = block(x)",
            "for block in self.blocks[:-1]:\n            x = block(x)",
        ),
        says="the output of two blocks",
        hint="All n_blocks blocks are passed.",
    ),
    _init(
        "fc1-zero-as-well",
        (
            "block.fc2.weight.mul_(factor)",
            'block.fc2.weight.mul_(factor)\n                if branch_init == "zero":\n'
            "                    block.fc1.weight.zero_()",
        ),
        says="fc1 must not be zero",
        hint="With both layers zero the gradients of both are zero: the block is dead for ever.",
    ),
    _init(
        "fc1-zero-instead",
        ("block.fc2.weight.mul_(factor)", '(block.fc1 if branch_init == "zero" else block.fc2).weight.mul_(factor)'),
        says="fc1 must not be zero",
        hint="Zero the LAST layer of the branch: its own gradient is not zero, so it starts to learn at once.",
    ),
    _init(
        "blocks-in-a-plain-list",
        (
            "nn.ModuleList(ResidualBlock(width, skip) for _ in range(n_blocks))",
            "[ResidualBlock(width, skip) for _ in range(n_blocks)]",
        ),
        says="nn.ModuleList",
        hint="Layers in a plain list are invisible to parameters(), modules() and to(device): nothing trains them.",
    ),
    _init(
        "divided-by-n-not-its-root",
        ("1 / math.sqrt(max(n_blocks, 1))", "1 / max(n_blocks, 1)"),
        says="scaled: he_normal divided by sqrt(n_blocks)",
        hint="Variances add up over n blocks: each must be n times smaller, so the weights sqrt(n) times.",
    ),
    _init(
        "scaled-by-sqrt-2n",
        ("1 / math.sqrt(max(n_blocks, 1))", "1 / math.sqrt(max(2 * n_blocks, 1))"),
        says="scaled: he_normal divided by sqrt(n_blocks)",
        hint="The exercise divides by the root of the number of blocks, not of the number of layers.",
    ),
    _init(
        "scaled-ignored",
        ('"scaled": 1 / math.sqrt(max(n_blocks, 1))', '"scaled": 1.0'),
        says="scaled: he_normal divided by sqrt(n_blocks)",
        hint="Unscaled branches triple the variance in every block: 20 of them multiply the signal by 60,000.",
    ),
    _init(
        "fc1-scaled-too",
        (
            "block.fc2.weight.mul_(factor)",
            'block.fc2.weight.mul_(factor)\n                if branch_init == "scaled":\n'
            "                    block.fc1.weight.mul_(factor)",
        ),
        says="fc1",
        hint="Scaling one layer of the branch is enough; both together divide it by n.",
    ),
    _init(
        "he-uniform",
        (_HE, 'nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu")'),
        says="he_normal, not he_uniform",
        hint="The exercise asks for normally distributed weights.",
    ),
    _init(
        "default-weights",
        (f"                {_HE}\n", ""),
        says="he_normal: standard deviation sqrt(2 / fan-in)",
        hint="torch's default weights are smaller: the signal fades. All weights start as he_normal.",
    ),
    _init(
        "default-biases",
        ("                nn.init.zeros_(layer.bias)\n", ""),
        says="all biases",
        hint="All biases start at 0.",
    ),
    _init(
        "gain-of-a-linear-layer",
        (_HE, 'nn.init.kaiming_normal_(layer.weight, nonlinearity="linear")'),
        says="he_normal: standard deviation sqrt(2 / fan-in)",
        hint="He's variance is 2 / fan-in, because ReLU halves the second moment.",
    ),
    _init(
        "one-block-many-times",
        (
            "nn.ModuleList(ResidualBlock(width, skip) for _ in range(n_blocks))",
            "nn.ModuleList([ResidualBlock(width, skip)] * n_blocks)",
        ),
        says="parameters, which are not those of its linear layers",
        hint="`[block] * n` is n times the same block with shared weights: make a new one each time.",
    ),
    _init(
        "negative-number-of-blocks-passes",
        (" or n_blocks < 0", ""),
        says="n_blocks < 0 is refused",
        hint="range(-1) is empty, so nothing complains: refuse a negative number of blocks.",
    ),
    _init(
        "unknown-start-passes",
        ('if branch_init not in ("he", "scaled", "zero") or n_blocks < 0:', "if n_blocks < 0:"),
        ("[branch_init]", ".get(branch_init, 1.0)"),
        says="scale",
        hint="A misspelt branch_init would silently be he: refuse it.",
    ),
]
