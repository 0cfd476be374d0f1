"""Right answers to the questions and to the graded experiment B, given differently."""

from autograder.variants import Right


def _answer(number: int, name: str, code: str) -> Right:
    return Right(exercise=f"q{number}", name=name, code=code)


VARIANTS = [
    _answer(1, "by-index", 'answer_perm = "abcd"[1]'),
    _answer(1, "joined", 'answer_perm = "".join(["b"])'),
    _answer(2, "as-a-product", "answer_conv_weights = 3 * 4 * 8"),
    _answer(2, "as-a-float", "answer_conv_weights = 96.0"),
    _answer(3, "as-a-sum", "answer_flip = 1 * 0 + 0 * 0 - 1 * 1"),
    _answer(3, "as-numpy", "answer_flip = np.float64(-1)"),
    _answer(4, "by-index", 'answer_equiv = "abcd"[2]'),
    _answer(4, "by-chr", "answer_equiv = chr(99)"),
    _answer(5, "as-a-logarithm", "answer_dilated = math.ceil(math.log2(16_000))"),
    _answer(5, "as-a-float", "answer_dilated = 14.0"),
    _answer(6, "by-index", 'answer_transfer = "abc"[1]'),
    _answer(6, "by-chr", "answer_transfer = chr(98)"),
    Right(
        exercise="exB-gradient-profile",
        name="weights-in-front",
        code='''
def gradient_profile(depth, residual, seed, width=200, beta=1.0):
    """Factor 0 or 1 for what came in."""
    generator = torch.Generator().manual_seed(seed)
    normal = lambda *shape: torch.randn(*shape, generator=generator, dtype=torch.float64)
    x = torch.linspace(-2, 2, 256, dtype=torch.float64).requires_grad_()
    h = torch.relu(x[:, None] * math.sqrt(2) * normal(width) + 0.5 * normal(width))
    keep, weight = (1.0, beta) if residual else (0.0, 1.0)
    for _ in range(depth - 1):
        W = math.sqrt(2 / width) * normal(width, width)
        h = keep * h + weight * (h @ W.T).clamp(min=0)
    f = h @ normal(width) / math.sqrt(width)
    return torch.autograd.grad(f.sum(), x)[0]
''',
    ),
    Right(
        exercise="exB-gradient-profile",
        name="in-two-branches",
        code='''
def gradient_profile(depth, residual, seed, width=200, beta=1.0):
    """if and else, einsum."""
    generator = torch.Generator().manual_seed(seed)
    normal = lambda *shape: torch.randn(*shape, generator=generator, dtype=torch.float64)
    x = torch.linspace(-2, 2, 256, dtype=torch.float64).requires_grad_()
    h = torch.relu(x[:, None] * math.sqrt(2) * normal(width) + 0.5 * normal(width))
    for _ in range(depth - 1):
        W = math.sqrt(2 / width) * normal(width, width)
        branch = F.relu(torch.einsum("ni,oi->no", h, W))
        if residual:
            h = torch.add(h, branch, alpha=beta)
        else:
            h = branch
    f = h @ normal(width) / math.sqrt(width)
    f.sum().backward()
    return x.grad
''',
    ),
]
