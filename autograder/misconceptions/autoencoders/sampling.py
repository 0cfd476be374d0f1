"""Wrong answers to exercise 6: the reparameterised draw and the divergences."""

from __future__ import annotations

from autograder.misconceptions.writing import wrongs_of

_draw = wrongs_of("ex6-reparameterize")
_kl = wrongs_of("ex6-kl-standard")
_two = wrongs_of("ex6-kl-diag")

_Z = "return mu + torch.exp(logvar / 2) * randn_like(mu)"
_KL = "return 0.5 * (mu.pow(2) + logvar.exp() - 1 - logvar).sum(dim=-1)"
_RATIO = "ratio = (logvar_q - logvar_p).exp()"
_TWO = "return 0.5 * (logvar_p - logvar_q + ratio + (mu_q - mu_p).pow(2) * (-logvar_p).exp() - 1).sum(dim=-1)"
_SHAPES = "if mu.shape != logvar.shape:"

MISCONCEPTIONS = [
    _draw(
        "variance-as-standard-deviation",
        (_Z, "return mu + torch.exp(logvar) * randn_like(mu)"),
        says="exp(logvar / 2)",
        hint="exp(logvar) is the variance; the draw needs its root.",
    ),
    _draw(
        "logvar-as-standard-deviation",
        (_Z, "return mu + logvar * randn_like(mu)"),
        says="exp(logvar / 2)",
        hint="logvar is a logarithm and may be negative.",
    ),
    _draw(
        "torch-normal",
        (_Z, "return torch.normal(mu, torch.exp(logvar / 2))"),
        says="if every draw is 3",
        hint="torch.normal draws, but no gradient passes through it.",
    ),
    _draw(
        "detached",
        (_Z, "return (mu + torch.exp(logvar / 2) * randn_like(mu)).detach()"),
        says="raised an exception",
        hint="A detached z tells the encoder nothing.",
    ),
    _draw(
        "std-without-gradient",
        (_Z, "return mu + torch.exp(logvar / 2).detach() * randn_like(mu)"),
        says="logvar",
        hint="The standard deviation must learn too: its gradient is ½ exp(logvar / 2) ε.",
    ),
    _draw(
        "one-draw-for-all-rows",
        (_Z, "return mu + torch.exp(logvar / 2) * randn_like(mu[:1])"),
        says="called once, on mu",
        hint="Every example needs a draw of its own.",
    ),
    _draw(
        "own-noise",
        (_Z, "return mu + torch.exp(logvar / 2) * torch.randn_like(mu)"),
        says="if every draw is 3",
        hint="Use the argument randn_like.",
    ),
    _draw(
        "no-noise",
        (_Z, "return mu + torch.exp(logvar / 2)"),
        says="if every draw is 3",
        hint="Without noise this is no draw.",
    ),
    _draw(
        "uniform-noise",
        (_Z, "return mu + torch.exp(logvar / 2) * torch.rand_like(randn_like(mu))"),
        says="if every draw is 3",
        hint="The noise is normal, as randn_like gives it.",
    ),
    _draw(
        "shapes-not-tested",
        (_SHAPES, "if mu.ndim == 0:"),
        says="ValueError",
        hint="[2, 3] and [2, 1] broadcast without a word.",
    ),
    _kl(
        "mean-over-latents",
        (_KL, _KL.replace(".sum(dim=-1)", ".mean(dim=-1)")),
        says="add up over the latent dimensions",
        hint="Independent dimensions: their divergences add up.",
    ),
    _kl(
        "sum-over-the-batch",
        (_KL, _KL.replace(".sum(dim=-1)", ".sum()")),
        says="shape (1,)",
        hint="One divergence for each example.",
    ),
    _kl(
        "minus-one-dropped",
        (_KL, _KL.replace(" - 1 - logvar", " - logvar")),
        says="the KL of",
        hint="At mu = 0, logvar = 0 the divergence is 0: exp(0) - 1.",
    ),
    _kl(
        "sign-of-logvar",
        (_KL, _KL.replace("- 1 - logvar", "- 1 + logvar")),
        says="ℓ",
        hint="Minus logvar.",
    ),
    _kl(
        "half-forgotten",
        (_KL, _KL.replace("0.5 * ", "")),
        says="½",
        hint="The half stands before the whole sum.",
    ),
    _kl(
        "logvar-as-log-std",
        (_KL, "return 0.5 * (mu.pow(2) + (2 * logvar).exp() - 1 - 2 * logvar).sum(dim=-1)"),
        says="VARIANCE",
        hint="logvar is the logarithm of the variance, not of the standard deviation.",
    ),
    _kl(
        "negative",
        (_KL, _KL.replace("return 0.5", "return -0.5")),
        says="the KL of",
        hint="-½ (1 + ℓ - μ² - exp ℓ) is the form with a minus; the divergence is never negative.",
    ),
    _kl(
        "from-the-prior-to-q",
        (_KL, "return 0.5 * (logvar + (1 + mu.pow(2)) * (-logvar).exp() - 1).sum(dim=-1)"),
        says="½ (μ²",
        hint="That is KL(prior ‖ q); the bound needs KL(q ‖ prior).",
    ),
    _kl(
        "shapes-not-tested",
        (_SHAPES, "if mu.ndim == 0:"),
        says="ValueError",
        hint="[2, 3] and [2, 1] broadcast without a word.",
    ),
    _two(
        "p-from-q",
        (
            _TWO,
            "return 0.5 * (logvar_q - logvar_p + 1 / ratio + (mu_q - mu_p).pow(2) * (-logvar_q).exp() - 1).sum(dim=-1)",
        ),
        says="the KL of",
        hint="KL(q ‖ p) is not KL(p ‖ q): divide by the variance of p.",
    ),
    _two(
        "log-ratio-with-the-wrong-sign",
        (_TWO, _TWO.replace("logvar_p - logvar_q + ratio", "logvar_q - logvar_p + ratio")),
        says="the KL of",
        hint="The logarithm is that of p's variance over q's.",
    ),
    _two(
        "means-not-scaled",
        (_TWO, _TWO.replace(" * (-logvar_p).exp()", "")),
        says="(μq - μp)²",
        hint="The distance of the means counts in units of p's variance.",
    ),
    _two(
        "scaled-by-the-standard-deviation",
        (_TWO, _TWO.replace("(-logvar_p).exp()", "(-logvar_p / 2).exp()")),
        says="(μq - μp)²",
        hint="Divide by the variance of p.",
    ),
    _two(
        "sum-over-everything",
        (_TWO, _TWO.replace(".sum(dim=-1)", ".sum()")),
        says="the KL of",
        hint="One number for each row.",
    ),
    _two(
        "minus-one-dropped",
        (_TWO, _TWO.replace(" - 1)", ")")),
        says="the KL of",
        hint="The divergence of a distribution from itself is 0.",
    ),
]
