"""Wrong answers to exercise 3: noise, the denoising loss, the score, the optimal denoiser."""

from __future__ import annotations

from autograder.misconceptions.writing import wrongs_of

_corrupt = wrongs_of("ex3-corrupt")
_loss = wrongs_of("ex3-dae-loss")
_score = wrongs_of("ex3-score")
_best = wrongs_of("ex3-denoiser")

_NOISE = "return x + sigma * randn_like(x)"
_NOISY = "noisy = x + sigma * randn_like(x)"
_ERROR = "return (x - denoiser(noisy)).pow(2).flatten(1).sum(dim=1).mean()"
_VARIANCE = "variance = s2 + sigma**2"
_R = "r = torch.softmax(w.log() - towards.pow(2).sum(dim=2) / (2 * variance), dim=1)  # [B, K]"
_SUM = 'return torch.einsum("bk,bkd->bd", r, towards) / variance'
_GUARD = "if (w < 0).any() or abs(float(w.sum()) - 1) > 1e-6:"
_BEST_R = "r = torch.softmax(w.log() - distances / (2 * variance), dim=1)"
_MEAN = "return (s2 * xt + sigma**2 * r @ mu) / variance"

MISCONCEPTIONS = [
    _corrupt(
        "sigma-as-variance",
        (_NOISE, "return x + math.sqrt(sigma) * randn_like(x)"),
        says="STANDARD DEVIATION",
        hint="sigma multiplies the noise: it is the standard deviation, not the variance.",
    ),
    _corrupt(
        "sigma-squared",
        (_NOISE, "return x + sigma**2 * randn_like(x)"),
        says="STANDARD DEVIATION",
        hint="The factor is sigma; its square is the variance that results.",
    ),
    _corrupt(
        "one-row-of-noise-for-the-batch",
        (_NOISE, "return x + sigma * randn_like(x)[:1]"),
        says="row",
        hint="Every row needs noise of its own.",
    ),
    _corrupt(
        "own-noise",
        (_NOISE, "return x + sigma * torch.randn(x.shape, dtype=x.dtype, device=x.device)"),
        says="the argument randn_like",
        hint="The noise comes from the argument randn_like.",
    ),
    _corrupt(
        "uniform-noise",
        (_NOISE, "return x + sigma * (2 * torch.rand_like(randn_like(x)) - 1)"),
        says="every draw is 2",
        hint="The noise is normal, and comes from randn_like.",
    ),
    _corrupt(
        "scales-the-signal-too",
        (_NOISE, "return math.sqrt(max(1 - sigma**2, 0)) * x + sigma * randn_like(x)"),
        says="the corrupted x",
        hint="Here noise is added and the signal stays as it is.",
    ),
    _corrupt(
        "negative-sigma-accepted",
        ("if sigma < 0:", "if sigma is None:"),
        says="ValueError",
        hint="A negative standard deviation is a mistake of the caller: say so.",
    ),
    _loss(
        "target-is-corrupted",
        (_ERROR, _ERROR.replace("(x - ", "(noisy - ")),
        says="CLEAN x",
        hint="Compared with the noisy input, the identity is perfect and nothing is learned.",
    ),
    _loss(
        "denoiser-sees-the-clean-x",
        (_ERROR, _ERROR.replace("denoiser(noisy)", "denoiser(x)")),
        says="the denoiser",
        hint="The denoiser must work from the corrupted input.",
    ),
    _loss(
        "mean-over-all-entries",
        (_ERROR, "return (x - denoiser(noisy)).pow(2).mean()"),
        says="add them up",
        hint="Sum over the dimensions of an example, mean over the batch.",
    ),
    _loss(
        "sum-over-the-batch",
        (_ERROR, "return (x - denoiser(noisy)).pow(2).sum()"),
        says="average over the batch",
        hint="The mean over the examples.",
    ),
    _loss(
        "sigma-squared",
        (_NOISY, _NOISY.replace("sigma *", "sigma**2 *")),
        says="the loss",
        hint="The factor is sigma, the standard deviation.",
    ),
    _loss(
        "one-row-of-noise",
        (_NOISY, _NOISY.replace("randn_like(x)", "randn_like(x[:1])")),
        says="called once, on x",
        hint="One draw for every entry of x.",
    ),
    _loss(
        "predicts-the-noise",
        (_ERROR, "return (sigma * (noisy - x) - denoiser(noisy)).pow(2).flatten(1).sum(dim=1).mean()"),
        says="the loss",
        hint="This denoiser answers with the clean x, not with the noise.",
    ),
    _loss(
        "no-gradient",
        (_ERROR, _ERROR.replace("denoiser(noisy)", "denoiser(noisy).detach()")),
        says="differentiated",
        hint="Cut off from its loss the denoiser never learns.",
    ),
    _loss(
        "negative-sigma-accepted",
        ("if sigma < 0:", "if sigma is None:"),
        says="ValueError",
        hint="A negative standard deviation is a mistake of the caller: say so.",
    ),
    _score(
        "score-of-the-clean-density",
        (_VARIANCE, "variance = max(s2, 1e-8)"),
        says="noise ADDS its variance",
        hint="The corrupted data has the variance s² + σ².",
    ),
    _score(
        "clean-variance-in-the-softmax",
        (_R, _R.replace("2 * variance", "2 * max(s2, 1e-8)")),
        says="s² + σ² in the exponent",
        hint="The responsibilities are those of the noisy density, too.",
    ),
    _score(
        "sigma-not-squared",
        (_VARIANCE, "variance = s2 + sigma"),
        says="the score",
        hint="Variances add: s² + σ².",
    ),
    _score(
        "wrong-sign",
        (_SUM, "return -" + _SUM.removeprefix("return ")),
        says="the score",
        hint="The score points towards the means: mu - x.",
    ),
    _score(
        "softmax-over-the-batch",
        (_R, _R.replace("dim=1)  #", "dim=0)  #")),
        says="the softmax",
        hint="Each point distributes itself over the components: softmax over K.",
    ),
    _score(
        "weights-forgotten",
        (_R, _R.replace("w.log() - ", "-")),
        says="log w inside the softmax",
        hint="A component with a small weight is less likely to be responsible.",
    ),
    _score(
        "exp-before-normalising",
        (
            _R,
            "p = w * torch.exp(-towards.pow(2).sum(dim=2) / (2 * variance))\n"
            "    r = p / p.sum(dim=1, keepdim=True)  # [B, K]",
        ),
        says="softmax",
        hint="Far from all means every exp is 0 and 0 / 0 is nan: subtract the maximum first, as softmax does.",
    ),
    _score(
        "factor-two-forgotten",
        (_R, _R.replace("(2 * variance)", "variance")),
        says="the score",
        hint="The exponent of the normal density is the squared distance over TWICE the variance.",
    ),
    _score(
        "not-divided-by-the-variance",
        (_SUM, _SUM.replace(" / variance", "")),
        says="the score",
        hint="(mu - x) is divided by the variance.",
    ),
    _score(
        "weights-not-tested",
        (_GUARD, "if (w < 0).any():"),
        says="ValueError",
        hint="Weights that do not sum to 1 are no distribution.",
    ),
    _score(
        "no-noise-and-no-spread",
        ("if sigma < 0 or s2 + sigma**2 == 0:", "if sigma < 0:"),
        says="ValueError",
        hint="With s2 = sigma = 0 there is no density: refuse it.",
    ),
    _best(
        "sigma-instead-of-its-square",
        (_MEAN, "return xt + sigma * (r @ mu - xt) / variance"),
        says="x + σ²",
        hint="The step is σ² times the score.",
    ),
    _best(
        "step-downhill",
        (_MEAN, "return xt - sigma**2 * (r @ mu - xt) / variance"),
        says="score",
        hint="Uphill: plus σ² times the score.",
    ),
    _best(
        "score-of-the-clean-density",
        (_VARIANCE, "variance = max(s2, 1e-8)"),
        (_MEAN, "return xt + sigma**2 * (r @ mu - xt) / variance"),
        says="score",
        hint="The score of the NOISY density, with the variance s² + σ².",
    ),
    _best(
        "all-the-way-to-the-mean",
        (_MEAN, "return r @ mu"),
        says="score",
        hint="Only as far as the noise suggests: clean data spreads around the means too.",
    ),
    _best(
        "nearest-mean",
        (_MEAN, "return mu[distances.argmin(dim=1)]"),
        says="score",
        hint="The best estimate is an average over what could have been there.",
    ),
    _best(
        "weights-forgotten",
        (_BEST_R, "r = torch.softmax(-distances / (2 * variance), dim=1)"),
        says="the estimate",
        hint="Rare components are less likely to have produced the point: add log w.",
    ),
    _best(
        "exp-before-normalising",
        (
            _BEST_R,
            "p = w * torch.exp(-distances / (2 * variance))\n    r = p / p.sum(dim=1, keepdim=True)",
        ),
        says="estimate",
        hint="Far away every exp is 0: use softmax.",
    ),
    _best(
        "shares-swapped",
        (_MEAN, "return (sigma**2 * xt + s2 * r @ mu) / variance"),
        says="score",
        hint="The noisier the observation, the less it counts: s² goes with xt.",
    ),
    _best(
        "weights-not-tested",
        (_GUARD, "if (w < 0).any():"),
        says="ValueError",
        hint="Weights that do not sum to 1 are no distribution.",
    ),
]
