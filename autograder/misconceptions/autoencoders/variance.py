"""Wrong answers to exercise 4: variance digits, gains, yardsticks, the gated denoiser."""

from __future__ import annotations

from autograder.misconceptions.writing import wrongs_of

_digits = wrongs_of("ex4-variance-digits")
_gain = wrongs_of("ex4-wiener-gain")
_yard = wrongs_of("ex4-yardsticks")
_gated = wrongs_of("ex4-gated-dae")

_PRODUCT = "return mask * randn_like(mask)"
_WHERE = "return torch.where(mask == 0, torch.zeros_like(mask), power / (power + sigma**2))"
_FIXED = "power = masks.pow(2).mean(dim=0)  # [D]"
_FIXED_SUM = "return (power * sigma**2 / (power + sigma**2)).nan_to_num(0.0).sum()\n"
_ORACLE_SUM = "return (power * sigma**2 / (power + sigma**2)).nan_to_num(0.0).sum(dim=1).mean()"
_GATE = "return xt * torch.sigmoid(self.decoder(z)), z"

MISCONCEPTIONS = [
    _digits(
        "one-value-for-each-image",
        (_PRODUCT, "return mask * randn_like(mask)[:, :1]"),
        says="pixel",
        hint="Every pixel gets noise of its own, or the image is the mask times one number.",
    ),
    _digits(
        "adds-instead-of-multiplying",
        (_PRODUCT, "return mask + randn_like(mask)"),
        says="mask TIMES noise",
        hint="The mask scales the noise; it is no signal to which noise is added.",
    ),
    _digits(
        "mask-as-variance",
        (_PRODUCT, "return mask.sqrt() * randn_like(mask)"),
        says="standard deviation",
        hint="The mask is the standard deviation: mask times noise.",
    ),
    _digits(
        "adds-the-mask",
        (_PRODUCT, "return mask + mask * randn_like(mask)"),
        says="TIMES",
        hint="The mean of every pixel is 0: the mask is in the variance only.",
    ),
    _digits(
        "drawn-once-and-kept",
        (
            _PRODUCT,
            "if randn_like is torch.randn_like:\n"
            "        generator = torch.Generator(device=mask.device).manual_seed(0)\n"
            "        return mask * torch.randn(mask.shape, generator=generator, dtype=mask.dtype, device=mask.device)\n"
            "    return mask * randn_like(mask)",
        ),
        says="two calls return the same numbers",
        hint="The noise must be new at every call, or a network learns it by heart.",
    ),
    _digits(
        "only-too-large-refused",
        ("if mask.min() < 0 or mask.max() > 1:", "if mask.max() > 1:"),
        says="ValueError",
        hint="Both ends: a mask below 0 is a mistake as well.",
    ),
    _gain(
        "standard-deviations",
        (_WHERE, _WHERE.replace("power / (power + sigma**2)", "mask / (mask + sigma)")),
        says="variances",
        hint="The gain is a ratio of variances.",
    ),
    _gain(
        "sigma-not-squared",
        (_WHERE, _WHERE.replace("sigma**2", "sigma")),
        says="m² / (m² + σ²)",
        hint="σ² stands in the denominator.",
    ),
    _gain(
        "nan-for-black-pixels",
        (_WHERE, "return power / (power + sigma**2)"),
        says="0 / 0",
        hint="Without noise a black pixel gives 0 / 0.",
    ),
    _gain(
        "one-for-black-pixels",
        (_WHERE, _WHERE.replace("torch.zeros_like(mask)", "torch.ones_like(mask)")),
        says="the gain",
        hint="Where the mask is 0 nothing but noise arrives: the gain is 0.",
    ),
    _gain(
        "gain-of-the-noise",
        (_WHERE, _WHERE.replace("power / (power", "sigma**2 / (power")),
        says="m² / (m² + σ²)",
        hint="The gain is the share of the SIGNAL in the power.",
    ),
    _gain(
        "negative-sigma-accepted",
        ("or mask.max() > 1 or sigma < 0:", "or mask.max() > 1:"),
        says="ValueError",
        hint="A negative sigma is refused.",
    ),
    _yard(
        "mean-before-the-square",
        (_FIXED, "power = masks.mean(dim=0).pow(2)"),
        says="mean over the images of",
        hint="a_d is the mean of the squares, not the square of the mean.",
    ),
    _yard(
        "mean-over-pixels",
        (_FIXED_SUM, _FIXED_SUM.replace(".sum()", ".mean()")),
        says="add up over the pixels",
        hint="The loss of an example is the sum over its pixels.",
    ),
    _yard(
        "gain-instead-of-loss",
        (_FIXED_SUM, _FIXED_SUM.replace("power * sigma**2 /", "power /")),
        says="the loss",
        hint="What is left after the best gain is a σ² / (a + σ²).",
    ),
    _yard(
        "oracle-sums-over-the-images",
        (_ORACLE_SUM, _ORACLE_SUM.replace(".sum(dim=1).mean()", ".sum()")),
        says="MEAN over images",
        hint="The expected loss is per image: take the mean over the images.",
    ),
    _yard(
        "oracle-with-one-gain",
        ("power = masks.pow(2)\n", "power = masks.pow(2).mean(dim=0, keepdim=True)\n"),
        says="the oracle",
        hint="The oracle knows each mask and takes another gain for every image.",
    ),
    _yard(
        "nan-without-noise",
        (_ORACLE_SUM, _ORACLE_SUM.replace(".nan_to_num(0.0)", "")),
        says="without noise",
        hint="0 / 0 counts 0.",
    ),
    _gated(
        "gate-on-the-decoder",
        (_GATE, "return self.decoder(z) * torch.sigmoid(self.decoder(z)), z"),
        says="NOISY input times the gate",
        hint="The random values must pass straight through: multiply xt.",
    ),
    _gated(
        "no-sigmoid",
        (_GATE, "return xt * self.decoder(z), z"),
        says="sigmoid",
        hint="A gain lies between 0 and 1.",
    ),
    _gated(
        "no-direct-path",
        (_GATE, "return self.decoder(z), z"),
        says="NOISY input times the gate",
        hint="Ten numbers cannot carry hundreds of random signs.",
    ),
    _gated(
        "adds-the-gate",
        (_GATE, "return xt + torch.sigmoid(self.decoder(z)), z"),
        says="x_hat",
        hint="A gain multiplies.",
    ),
    _gated(
        "code-detached",
        (_GATE, "return xt * torch.sigmoid(self.decoder(z.detach())), z"),
        says="the gradient does not reach",
        hint="A detached code never learns.",
    ),
    _gated(
        "modules-hidden-in-a-list",
        ("self.encoder, self.decoder = encoder, decoder", "self.parts = [encoder, decoder]"),
        ("z = self.encoder(xt)", "z = self.parts[0](xt)"),
        (_GATE, "return xt * torch.sigmoid(self.parts[1](z)), z"),
        says="parameters",
        hint="A plain list hides modules from parameters().",
    ),
]
