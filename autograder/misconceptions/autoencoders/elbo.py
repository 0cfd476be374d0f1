"""Wrong answers to exercise 7: the likelihood, the bound, the VAE."""

from __future__ import annotations

from autograder.misconceptions.writing import wrongs_of

_lik = wrongs_of("ex7-log-likelihood")
_elbo = wrongs_of("ex7-elbo")
_vae = wrongs_of("ex7-vae")

_TERMS = "terms = -0.5 * math.log(2 * math.pi) - log_sigma - ((x - mu) * torch.exp(-log_sigma)).pow(2) / 2  # like x"
_SUM = "return terms.flatten(1).sum(dim=1)"
_GUARD = "if x.shape != mu.shape:"
_Z = "z = reparameterize(mu, logvar, randn_like)"
_TOTAL = "total = total + gaussian_log_likelihood(x, mean, log_sigma)"
_REC = "rec, kl = total / n_samples, kl_standard_normal(mu, logvar)"
_RETURN = 'return {"elbo": rec - kl, "rec": rec, "kl": kl}'
_HALVES = "return both[:, : self.m], both[:, self.m :]"
_CLAMP = "return mean, log_sigma.clamp(self.low, self.high)"
_LOSS = 'return -elbo(x, self.encode, self.decode, randn_like=randn_like)["elbo"].mean()'
_NEW = "return mean + sigma * randn_like(mean), mean, sigma"
_PRIOR = "z = randn_like(next(self.parameters()).new_zeros(n, self.m))"

MISCONCEPTIONS = [
    _lik(
        "constant-forgotten",
        (_TERMS, _TERMS.replace("-0.5 * math.log(2 * math.pi) - log_sigma", "-log_sigma")),
        says="log 2π",
        hint="Each dimension costs ½ log 2π: without it nats cannot be compared.",
    ),
    _lik(
        "log-sigma-as-log-variance",
        (
            _TERMS,
            "terms = -0.5 * (math.log(2 * math.pi) + log_sigma + (x - mu).pow(2) * torch.exp(-log_sigma)) + 0 * x",
        ),
        says="STANDARD DEVIATION",
        hint="log_sigma is the logarithm of the standard deviation.",
    ),
    _lik(
        "sigma-instead-of-its-square",
        (
            _TERMS,
            _TERMS.replace("((x - mu) * torch.exp(-log_sigma)).pow(2)", "(x - mu).pow(2) * torch.exp(-log_sigma)"),
        ),
        says="σ²",
        hint="The squared error is divided by σ squared.",
    ),
    _lik(
        "mean-over-pixels",
        (_SUM, "return terms.flatten(1).mean(dim=1)"),
        says="each dimension",
        hint="Averaged over pixels but with a summed KL, the KL weighs D times too much: the posterior collapses.",
    ),
    _lik(
        "log-sigma-counted-once",
        (_TERMS, _TERMS.replace(" - log_sigma - ((x", " - ((x")),
        (_SUM, "return terms.flatten(1).sum(dim=1) - log_sigma.expand(x.shape).flatten(1)[:, 0]"),
        says="counts D times",
        hint="Every dimension has its own normal density: log σ counts D times.",
    ),
    _lik(
        "sum-over-the-batch-too",
        (_SUM, "return terms.sum()"),
        says="one number for each example",
        hint="One log-likelihood for each example.",
    ),
    _lik(
        "sum-over-the-last-axis-only",
        (_SUM, "return terms.sum(dim=-1)"),
        says="one log σ for each of 4 pixels",
        hint="Images have more axes: flatten(1) first.",
    ),
    _lik(
        "log-sigma-with-the-wrong-sign",
        (_TERMS, _TERMS.replace("- log_sigma - ((x", "+ log_sigma - ((x")),
        says="-log σ",
        hint="A wide density is a low one: minus log σ.",
    ),
    _lik(
        "half-forgotten",
        (_TERMS, _TERMS.replace(".pow(2) / 2  #", ".pow(2)  #")),
        says="σ²",
        hint="The exponent is half the squared error over σ².",
    ),
    _lik(
        "flat-log-sigma-broadcast",
        ("if log_sigma.ndim == 1 and len(log_sigma) > 1:", "if log_sigma.ndim == 1 and len(log_sigma) == x.shape[-1]:"),
        ("log_sigma = log_sigma.reshape(x.shape[1:])", "log_sigma = log_sigma.reshape(-1)"),
        says="shapes do not fit",
        hint="A log_sigma with one value per entry has the shape of a flattened example: reshape it.",
    ),
    _lik(
        "shapes-not-tested",
        (_GUARD, "if x.ndim == 0:"),
        says="ValueError",
        hint="A mean of another shape is broadcast without a word.",
    ),
    _elbo(
        "kl-added",
        (_RETURN, _RETURN.replace("rec - kl", "rec + kl")),
        says="rec MINUS kl",
        hint="The divergence is a price: subtract it.",
    ),
    _elbo(
        "kl-averaged-over-latents",
        (_REC, _REC.replace("kl_standard_normal(mu, logvar)", "kl_standard_normal(mu, logvar) / mu.shape[1]")),
        says="SUMMED over the latent dimensions",
        hint="The divergences of the latent dimensions add up.",
    ),
    _elbo(
        "one-draw-for-the-batch",
        (_Z, "z = mu + torch.exp(logvar / 2) * randn_like(mu)[:1]"),
        says="for every example",
        hint="Each example needs a draw of its own.",
    ),
    _elbo(
        "likelihood-of-the-mean-reconstruction",
        (_TOTAL, "total = total + mean"),
        ("total = torch.zeros_like(mu[:, 0])", "total = torch.zeros_like(x)"),
        (
            _REC,
            "rec, kl = gaussian_log_likelihood(x, total / n_samples, log_sigma), kl_standard_normal(mu, logvar)",
        ),
        says="the MEAN over the draws of log p(x | z)",
        hint="Average the log-likelihoods; the likelihood of an averaged picture is something else, and no bound.",
    ),
    _elbo(
        "decodes-the-mean",
        (_Z, "z = mu"),
        says="decode the DRAW",
        hint="Without sampling q costs nothing where it is wide: decode z, not mu.",
    ),
    _elbo(
        "samples-summed",
        (_REC, _REC.replace("total / n_samples", "total")),
        says="the MEAN over the draws",
        hint="Divide by the number of draws.",
    ),
    _elbo(
        "one-draw-whatever-n-samples",
        ("for _ in range(n_samples):", "for _ in range(1):"),
        (_REC, _REC.replace("total / n_samples", "total")),
        says="once for each sample",
        hint="n_samples draws.",
    ),
    _elbo(
        "same-noise-for-all-samples",
        (
            "    for _ in range(n_samples):\n        " + _Z,
            "    noise = randn_like(mu)\n    for _ in range(n_samples):\n"
            "        z = mu + torch.exp(logvar / 2) * noise",
        ),
        says="once for each sample",
        hint="Each sample is a new draw.",
    ),
    _elbo(
        "likelihood-averaged-over-pixels",
        (_TOTAL, _TOTAL.replace("log_sigma)", "log_sigma) / x.shape[1]")),
        says="rec",
        hint="Summed over the dimensions, like the KL: a mean here is a hidden weight of D on the KL.",
    ),
    _elbo(
        "draw-detached",
        (_Z, _Z + ".detach()"),
        says="the gradient in",
        hint="A detached draw leaves the encoder without a gradient from the reconstruction.",
    ),
    _elbo(
        "mean-over-the-batch",
        (_RETURN, 'return {"elbo": (rec - kl).mean(), "rec": rec.mean(), "kl": kl.mean()}'),
        says="one number for each example",
        hint="One bound for each example; the VAE's loss takes the mean.",
    ),
    _elbo(
        "zero-samples-accepted",
        ("if n_samples < 1:", "if n_samples < 0:"),
        says="ValueError",
        hint="Without a draw there is no estimate.",
    ),
    _vae(
        "halves-swapped",
        (_HALVES, "return both[:, self.m :], both[:, : self.m]"),
        says="first m outputs",
        hint="Means first, log variances second.",
    ),
    _vae(
        "halves-interleaved",
        (_HALVES, "return both[:, ::2], both[:, 1::2]"),
        says="first m outputs",
        hint="The first half of the outputs, not every second one.",
    ),
    _vae(
        "loss-without-the-minus",
        (_LOSS, _LOSS.replace("return -elbo", "return elbo")),
        says="MINUS the mean",
        hint="An optimiser minimises: the loss is minus the bound.",
    ),
    _vae(
        "loss-summed-over-the-batch",
        (_LOSS, _LOSS.replace(".mean()", ".sum()")),
        says="mean over the batch",
        hint="The mean over the batch, or the learning rate depends on its size.",
    ),
    _vae(
        "reconstruction-only",
        (_LOSS, _LOSS.replace('["elbo"]', '["rec"]')),
        says="the ELBO",
        hint="Without the KL the codes drift apart, and a draw from the prior decodes to nothing.",
    ),
    _vae(
        "no-clamp",
        (_CLAMP, "return mean, log_sigma"),
        says="leaves its range",
        hint="Where the data is constant σ would shrink for ever: clamp log σ.",
    ),
    _vae(
        "soft-clamp",
        (
            _CLAMP,
            "middle, half = (self.low + self.high) / 2, (self.high - self.low) / 2\n"
            "        return mean, middle + half * torch.tanh((log_sigma - middle) / half)",
        ),
        says="unchanged inside",
        hint="Inside the range log σ must pass unchanged; a tanh bends it everywhere.",
    ),
    _vae(
        "sigma-is-its-logarithm",
        ("sigma = log_sigma.exp()", "sigma = log_sigma"),
        says="sigma",
        hint="sample returns the standard deviation itself.",
    ),
    _vae(
        "sigma-as-log-variance",
        ("sigma = log_sigma.exp()", "sigma = (log_sigma / 2).exp()"),
        says="sigma",
        hint="The decoder gives the log of the standard deviation: exp(log_sigma).",
    ),
    _vae(
        "samples-without-noise",
        (_NEW, "return mean + 0 * randn_like(mean), mean, sigma"),
        says="the samples",
        hint="p(x | z) has a spread: x = mean + sigma * noise.",
    ),
    _vae(
        "samples-by-encoding-noise",
        (_PRIOR, "z = 2 * randn_like(next(self.parameters()).new_zeros(n, self.m))"),
        says="the mean of the samples",
        hint="z is drawn from the prior N(0, I).",
    ),
    _vae(
        "width-not-tested",
        ("if both.shape[1] != 2 * self.m:", "if both.shape[1] < self.m:"),
        says="ValueError",
        hint="An encoder of another width would be split in the wrong place.",
    ),
    _vae(
        "own-noise-in-forward",
        (_LOSS, 'return -elbo(x, self.encode, self.decode)["elbo"].mean()'),
        says="randn_like",
        hint="Pass randn_like on to elbo.",
    ),
]
