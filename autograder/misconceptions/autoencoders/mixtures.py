"""Wrong answers to exercise 5: EM and the free energy."""

from __future__ import annotations

from autograder.misconceptions.writing import wrongs_of

_e = wrongs_of("ex5-e-step")
_m = wrongs_of("ex5-m-step")
_lik = wrongs_of("ex5-log-lik")
_free = wrongs_of("ex5-free-energy")

_JOINT = "log_joint = w.log() - sd.log() - ((x[:, None] - mu) / sd).pow(2) / 2  # [N, K], up to a constant"
_SOFTMAX = "return torch.softmax(log_joint, dim=1)"
_MU = "mu = r.T @ x / count"
_VAR = "variance = (r * (x[:, None] - mu).pow(2)).sum(dim=0) / count"
_DONE = "return count / len(x), mu, variance.sqrt().clamp(min=min_sd)"
_LOG = "log_normal = -0.5 * math.log(2 * math.pi) - sd.log() - ((x[:, None] - mu) / sd).pow(2) / 2"
_LIK = "return torch.logsumexp(w.log() + log_normal, dim=1).sum()"
_F = "return (q * (w.log() + log_normal)).sum() - torch.xlogy(q, q).sum()"

MISCONCEPTIONS = [
    _e(
        "softmax-over-the-points",
        (_SOFTMAX, "return torch.softmax(log_joint, dim=0)"),
        says="over the components",
        hint="Each point is shared among the components: the rows sum to 1.",
    ),
    _e(
        "weights-forgotten",
        (_JOINT, _JOINT.replace("w.log() - sd", "-sd")),
        says="the weights count too",
        hint="A rare component is less likely to be the cause: add log w.",
    ),
    _e(
        "height-forgotten",
        (_JOINT, _JOINT.replace(" - sd.log()", "")),
        says="log sd",
        hint="A narrow normal distribution is high: -log sd belongs to its logarithm.",
    ),
    _e(
        "sd-as-variance",
        (_JOINT, "log_joint = w.log() - sd.log() / 2 - (x[:, None] - mu).pow(2) / sd / 2"),
        says="sd",
        hint="sd is a standard deviation: square it in the exponent.",
    ),
    _e(
        "densities-first",
        (_SOFTMAX, "p = log_joint.exp()\n    return p / p.sum(dim=1, keepdim=True)"),
        says="softmax",
        hint="Far from all means every density is 0 and 0 / 0 is nan.",
    ),
    _e(
        "factor-half-forgotten",
        (_JOINT, _JOINT.replace(".pow(2) / 2", ".pow(2)")),
        says="(2 sd²)",
        hint="The exponent is the square over TWICE the variance.",
    ),
    _e(
        "shapes-not-tested",
        ("if not w.shape == mu.shape == sd.shape:", "if w.ndim != 1:"),
        says="ValueError",
        hint="An sd of length 1 would be broadcast without a word.",
    ),
    _m(
        "old-mean",
        (_VAR, "variance = (r * (x[:, None] - x.mean()).pow(2)).sum(dim=0) / count"),
        says="around the NEW mean",
        hint="The spread of a component is around its own, new mean.",
    ),
    _m(
        "divides-by-n",
        (_MU, "mu = r.T @ x / len(x)"),
        says="N_k",
        hint="Divide by the sum of the responsibilities.",
    ),
    _m(
        "variance-divided-by-n",
        (_VAR, _VAR.replace("/ count", "/ len(x)")),
        says="N_k",
        hint="The weighted mean divides by N_k.",
    ),
    _m(
        "weights-not-normalised",
        (_DONE, _DONE.replace("count / len(x)", "count")),
        says="N_k / N",
        hint="Weights sum to 1.",
    ),
    _m(
        "returns-the-variance",
        (_DONE, _DONE.replace("variance.sqrt()", "variance")),
        says="sd",
        hint="sd is the root of the variance.",
    ),
    _m(
        "floor-on-the-variance",
        (_DONE, "return count / len(x), mu, variance.clamp(min=min_sd).sqrt()"),
        says="min_sd",
        hint="The floor is for the standard deviation.",
    ),
    _m(
        "no-floor",
        (_DONE, "return count / len(x), mu, variance.sqrt()"),
        says="min_sd",
        hint="A component that sits on one point gets a spread of 0, and an infinite likelihood.",
    ),
    _m(
        "hard-assignment",
        (_MU, "r = F.one_hot(r.argmax(dim=1), r.shape[1]).to(x.dtype)\n    mu = r.T @ x / count"),
        says="mu",
        hint="EM shares the points; giving each to its best component is k-means.",
    ),
    _m(
        "rows-not-tested",
        ("if r.ndim != 2 or len(r) != len(x):", "if r.ndim != 2:"),
        says="ValueError",
        hint="One row of r for each point.",
    ),
    _lik(
        "mean-instead-of-sum",
        (_LIK, _LIK.replace(".sum()", ".mean()")),
        says="the sum over the points",
        hint="The log-likelihood of independent points is the sum.",
    ),
    _lik(
        "sum-of-the-logarithms",
        (_LIK, "return (w.log() + log_normal).sum()"),
        says="SUM over the components",
        hint="The sum over the components stands inside the logarithm.",
    ),
    _lik(
        "constant-forgotten",
        (_LOG, _LOG.replace("-0.5 * math.log(2 * math.pi) - sd", "-sd")),
        says="log 2π",
        hint="Each point costs ½ log 2π.",
    ),
    _lik(
        "weights-forgotten",
        (_LIK, "return torch.logsumexp(log_normal, dim=1).sum()"),
        says="logsumexp",
        hint="The densities are weighted: add log w.",
    ),
    _lik(
        "sd-as-variance",
        (_LOG, "log_normal = -0.5 * math.log(2 * math.pi) - sd.log() / 2 - (x[:, None] - mu).pow(2) / sd / 2"),
        says="the log-likelihood",
        hint="sd is a standard deviation.",
    ),
    _lik(
        "densities-first",
        (_LIK, "return (w * log_normal.exp()).sum(dim=1).log().sum()"),
        says="log(0)",
        hint="Far away every density is 0: use logsumexp.",
    ),
    _lik(
        "averaged-over-components",
        (_LIK, "return (w * log_normal).sum()"),
        says="logsumexp",
        hint="The logarithm of the mean is not the mean of the logarithms (Jensen).",
    ),
    _free(
        "entropy-with-the-wrong-sign",
        (_F, _F.replace(" - torch.xlogy", " + torch.xlogy")),
        says="the entropy is added",
        hint="The entropy is MINUS the sum of q log q.",
    ),
    _free(
        "nan-from-zero-log-zero",
        (_F, "return (q * (w.log() + log_normal - q.log())).sum()"),
        says="0 log 0",
        hint="0 times minus infinity is nan.",
    ),
    _free(
        "entropy-forgotten",
        (_F, "return (q * (w.log() + log_normal)).sum()"),
        says="the entropy",
        hint="Without the entropy F is no bound that touches the likelihood.",
    ),
    _free(
        "mean-over-the-data",
        (_F, "return ((q * (w.log() + log_normal)).sum() - torch.xlogy(q, q).sum()) / len(x)"),
        says="log-likelihood",
        hint="Summed over the points, like the log-likelihood.",
    ),
    _free(
        "the-log-likelihood-itself",
        (_F, "return torch.logsumexp(w.log() + log_normal, dim=1).sum()"),
        says="F for a one-hot q",
        hint="F depends on q: only at the posterior it is the log-likelihood.",
    ),
    _free(
        "rows-not-tested",
        ("if (q.sum(dim=1) - 1).abs().max() > 1e-5:", "if (q < 0).any():"),
        says="ValueError",
        hint="A q that is no distribution bounds nothing.",
    ),
    _free(
        "weights-forgotten",
        (_F, "return (q * log_normal).sum() - torch.xlogy(q, q).sum()"),
        says="log w",
        hint="The joint is w_k times the density.",
    ),
]
