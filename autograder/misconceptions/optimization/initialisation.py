"""Wrong answers to exercise 5: initial weights and the statistics of the signal."""

from __future__ import annotations

from autograder.misconceptions.writing import wrongs_of

_scale = wrongs_of("ex5-init-weight", "ex5-init-scale-test")
_place = wrongs_of("ex5-init-weight", "ex5-init-in-place-test")
_stats = wrongs_of("ex5-signal-stats")

_NORMAL = "return W.normal_(0.0, std[scheme], generator=generator)"
_ROW = "return torch.stack([h.mean(), h.std(correction=0), h.pow(2).mean().sqrt()])"

MISCONCEPTIONS = [
    _scale(
        "variance-for-standard-deviation",
        ("W.normal_(0.0, std[scheme],", "W.normal_(0.0, std[scheme] ** 2,"),
        says="normal_ takes the standard deviation, not the variance",
        hint="2 / fan-in is the variance; normal_ wants its root.",
    ),
    _scale(
        "bound-is-the-standard-deviation",
        ("bound = math.sqrt(3) * std[scheme]", "bound = std[scheme]"),
        says="the bound is not the standard deviation",
        hint="U[-d, d] has the variance d^2 / 3: the bound is sqrt(3) times the standard deviation.",
    ),
    _scale(
        "bound-three-deviations",
        ("bound = math.sqrt(3) * std[scheme]", "bound = 3 * std[scheme]"),
        says="must stay inside",
        hint="The variance of U[-d, d] is d^2 / 3, so d is sqrt(3) standard deviations, not 3.",
    ),
    _scale(
        "fan-in-and-fan-out-exchanged",
        ("fan_out, fan_in = W.shape", "fan_in, fan_out = W.shape"),
        says="fan-in is W.shape[1]",
        hint="W is [out, in]: W.shape[1] numbers go into a unit.",
    ),
    _scale(
        "he-with-fan-out",
        ('"he_normal": math.sqrt(2 / fan_in)', '"he_normal": math.sqrt(2 / fan_out)'),
        says="the standard deviation of he_normal",
        hint="He's forward scheme divides by the number of inputs of a unit.",
    ),
    _scale(
        "he-without-the-two",
        ('"he_normal": math.sqrt(2 / fan_in)', '"he_normal": math.sqrt(1 / fan_in)'),
        says="the standard deviation of he_normal",
        hint="ReLU throws half of the second moment away: He doubles the variance to make up for it.",
    ),
    _scale(
        "xavier-without-the-two",
        ('"xavier_normal": math.sqrt(2 / (fan_in + fan_out))', '"xavier_normal": math.sqrt(1 / (fan_in + fan_out))'),
        says="the standard deviation of xavier_normal",
        hint="Xavier's variance is 2 / (fan-in + fan-out): one over the MEAN of the two.",
    ),
    _scale(
        "lecun-with-fan-out",
        ('"lecun_normal": math.sqrt(1 / fan_in)', '"lecun_normal": math.sqrt(1 / fan_out)'),
        says="the standard deviation of lecun_normal",
        hint="LeCun's scaling keeps the variance on the way forward: divide by fan-in.",
    ),
    _scale(
        "normal-where-uniform-is-asked",
        ('if scheme == "xavier_uniform":', 'if scheme == "uniform":'),
        says="must stay inside",
        hint="xavier_uniform draws from a uniform distribution, with a hard bound.",
    ),
    _scale(
        "one-row-for-all-units",
        (_NORMAL, "return W.copy_(W[:1].clone().normal_(0.0, std[scheme], generator=generator).expand_as(W))"),
        says="the variance is off",
        hint="If all units start with the same weights they stay the same for ever: every weight is drawn.",
    ),
    _scale(
        "library-initialiser",
        (
            _NORMAL,
            'if scheme == "he_normal":\n            return nn.init.kaiming_normal_(W, nonlinearity="relu")\n        '
            + _NORMAL,
        ),
        says="may not be used in this exercise",
        hint="The scale is the exercise: compute it and hand it to normal_.",
    ),
    _place(
        "new-tensor",
        (_NORMAL, "return torch.randn(W.shape, generator=generator, dtype=W.dtype) * std[scheme]"),
        says="fill W itself",
        hint="The underscore promises that W itself changes; a layer would keep its old weights.",
    ),
    _place(
        "generator-ignored",
        ("W.normal_(0.0, std[scheme], generator=generator)", "W.normal_(0.0, std[scheme])"),
        says="hand the generator on",
        hint="Hand the generator on to normal_, otherwise runs cannot be repeated.",
    ),
    _place(
        "seeds-the-global-generator",
        ("    with torch.no_grad():\n", "    torch.manual_seed(0)\n    with torch.no_grad():\n"),
        says="global generator",
        hint="A function that seeds the global generator changes everybody else's random numbers.",
    ),
    _place(
        "part-of-the-graph",
        ("    with torch.no_grad():\n", "    if True:\n"),
        says="in-place operation",
        hint="W may be a Parameter: change it under torch.no_grad().",
    ),
    _place(
        "returns-nothing",
        (_NORMAL, _NORMAL.replace("return ", "")),
        says="what init_weight_ returns",
        hint="Return W, so that init_weight_(torch.empty(3, 4), ...) can be used directly.",
    ),
    _place(
        "unknown-scheme-passes",
        ("if scheme not in std:", "if not scheme:"),
        says="the unknown scheme",
        hint="A misspelt scheme must be told in words: raise ValueError.",
    ),
    _place(
        "vectors-pass",
        ("if W.ndim != 2:", "if W.ndim < 1:"),
        (
            "fan_out, fan_in = W.shape",
            "fan_out, fan_in = W.shape[0], W.shape[-1]",
        ),
        says="a vector",
        hint="A vector has no fan-in: refuse everything but a matrix.",
    ),
    _place(
        "data-replaced",
        (_NORMAL, "W.data = torch.randn(W.shape, generator=generator, dtype=W.dtype) * std[scheme]\n        return W"),
        says="W has other memory than before",
        hint="Assigning to W.data gives W new memory: whoever shares the old one does not see it. Use copy_.",
    ),
    _stats(
        "unbiased-standard-deviation",
        ("h.std(correction=0)", "h.std()"),
        says="the population standard deviation",
        hint="torch divides by n - 1 by default; the population standard deviation divides by n: correction=0.",
    ),
    _stats(
        "averaged-over-the-features",
        ("h.std(correction=0)", "h.std(dim=0, correction=0).mean()"),
        says="the standard deviation of the input",
        hint="One standard deviation over all entries, not the mean of one per feature.",
    ),
    _stats(
        "before-the-activation",
        (
            "x = phi(x @ W.T)\n        rows.append(row(x))",
            "x = x @ W.T\n        rows.append(row(x))\n        x = phi(x)",
        ),
        says="over all entries of the ACTIVATION",
        hint="The statistics are of the output of the activation, which is what the next layer sees.",
    ),
    _stats(
        "input-left-out",
        ("rows = [row(x)]", "rows = []"),
        says="row 0 is the input",
        hint="Row 0 is the input itself: L + 1 rows.",
    ),
    _stats(
        "activation-not-passed-on",
        ("x = phi(x @ W.T)\n        rows.append(row(x))", "x = x @ W.T\n        rows.append(row(phi(x)))"),
        says="the signal is phi(x @ W.T)",
        hint="The next layer gets phi(x @ W.T), not x @ W.T.",
    ),
    _stats(
        "mean-square-without-root",
        ("h.pow(2).mean().sqrt()", "h.pow(2).mean()"),
        says="the root of the MEAN of x^2",
        hint="Root mean square: the root is missing.",
    ),
    _stats(
        "norm-for-rms",
        ("h.pow(2).mean().sqrt()", "h.norm()"),
        says="a norm is the root of the sum",
        hint="The root MEAN square: the norm grows with the number of entries.",
    ),
    _stats(
        "rms-around-the-mean",
        ("h.pow(2).mean().sqrt()", "(h - h.mean()).pow(2).mean().sqrt()"),
        says="the root of the MEAN of x^2",
        hint="Around the mean this is the standard deviation again; rms squares the entries themselves.",
    ),
    _stats(
        "weights-not-transposed",
        ("x = phi(x @ W.T)", "x = phi(x @ W)"),
        says="your code raised an exception",
        hint="W is [out, in] and x is [N, in]: x @ W.T.",
    ),
]
