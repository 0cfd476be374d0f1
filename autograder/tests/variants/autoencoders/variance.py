"""Right answers to exercise 4, written differently."""

from autograder.variants import Right

VARIANTS = [
    Right(
        exercise="ex4-variance-digits",
        name="any-outside",
        code="""
def variance_digits(mask, randn_like=torch.randn_like):
    if ((mask < 0) | (mask > 1)).any():
        raise ValueError("mask")
    noise = randn_like(mask)
    return torch.stack([m * e for m, e in zip(mask, noise)])
""",
    ),
    Right(
        exercise="ex4-variance-digits",
        name="noise-first",
        code="""
def variance_digits(mask, randn_like=torch.randn_like):
    if not bool(torch.all((mask >= 0) & (mask <= 1))):
        raise ValueError("mask in [0, 1]")
    return randn_like(mask).mul(mask)
""",
    ),
    Right(
        exercise="ex4-wiener-gain",
        name="one-over-one-plus-ratio",
        code="""
def wiener_gain(mask, sigma):
    if mask.min() < 0 or mask.max() > 1:
        raise ValueError("mask")
    if sigma < 0:
        raise ValueError("sigma")
    gain = torch.zeros_like(mask)
    ink = mask > 0
    gain[ink] = 1 / (1 + (sigma / mask[ink]) ** 2)
    return gain
""",
    ),
    Right(
        exercise="ex4-wiener-gain",
        name="nan-to-num",
        code="""
def wiener_gain(mask, sigma):
    if sigma < 0 or (mask < 0).any() or (mask > 1).any():
        raise ValueError("arguments")
    p = mask.square()
    return torch.nan_to_num(p / (p + sigma * sigma), nan=0.0)
""",
    ),
    Right(
        exercise="ex4-yardsticks",
        name="by-the-risk-of-the-gain",
        code="""
def _check(masks, sigma):
    if sigma < 0 or masks.min() < 0 or masks.max() > 1:
        raise ValueError("arguments")


def _risk(power, sigma):
    gain = torch.where(power > 0, power / (power + sigma**2), torch.zeros_like(power))
    return (1 - gain) ** 2 * power + gain**2 * sigma**2


def fixed_gain_loss(masks, sigma):
    _check(masks, sigma)
    return _risk((masks**2).mean(0), sigma).sum()


def oracle_loss(masks, sigma):
    _check(masks, sigma)
    return _risk(masks**2, sigma).sum() / len(masks)
""",
    ),
    Right(
        exercise="ex4-yardsticks",
        name="harmonic",
        code="""
def fixed_gain_loss(masks, sigma):
    if sigma < 0 or (masks < 0).any() or (masks > 1).any():
        raise ValueError("arguments")
    a = torch.einsum("nd,nd->d", masks, masks) / masks.shape[0]
    if sigma == 0:
        return torch.zeros_like(a.sum())
    return (a / (1 + a / sigma**2)).sum()


def oracle_loss(masks, sigma):
    return torch.stack([fixed_gain_loss(mask[None], sigma) for mask in masks]).mean()
""",
    ),
    Right(
        exercise="ex4-gated-dae",
        name="module-dict",
        code="""
class GatedDAE(nn.Module):
    def __init__(self, encoder, decoder):
        super().__init__()
        self.parts = nn.ModuleDict({"f": encoder, "g": decoder})

    def forward(self, xt):
        code = self.parts["f"](xt)
        gate = 1 / (1 + torch.exp(-self.parts["g"](code)))
        return gate * xt, code
""",
    ),
    Right(
        exercise="ex4-gated-dae",
        name="sequential",
        code="""
class GatedDAE(nn.Module):
    def __init__(self, encoder, decoder):
        super().__init__()
        self.f = encoder
        self.gate = nn.Sequential(decoder, nn.Sigmoid())

    def forward(self, xt):
        z = self.f(xt)
        return torch.mul(self.gate(z), xt), z
""",
    ),
]
