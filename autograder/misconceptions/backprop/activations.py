"""Wrong answers to exercise 5: activations with forward and backward."""

from __future__ import annotations

from autograder.misconceptions.writing import wrongs_of

_sigmoid = wrongs_of("ex5-sigmoid")
_tanh = wrongs_of("ex5-tanh")
_relu = wrongs_of("ex5-relu")
_leaky = wrongs_of("ex5-leaky-relu")
_prelu = wrongs_of("ex5-prelu")
_elu = wrongs_of("ex5-elu")
_maxout = wrongs_of("ex5-maxout")

_STABLE = "small = np.exp(-np.abs(x))\n        self.y = np.where(x >= 0, 1.0, small) / (1.0 + small)"
_CHECKED = "dy = upstream(dy, self.shape)"
_SUM = "self.dalpha = per_entry.sum(axis=others)"

MISCONCEPTIONS = [
    _sigmoid(
        "overflows",
        (_STABLE, "self.y = 1.0 / (1.0 + np.exp(-x))"),
        says="overflow",
        hint="exp(1000) overflows. Write e^x / (1 + e^x) for negative x: then exp only sees numbers <= 0.",
    ),
    _sigmoid(
        "derivative-at-the-output",
        (
            "dy * self.y * (1.0 - self.y)",
            "dy / (1.0 + np.exp(-self.y)) * (1.0 - 1.0 / (1.0 + np.exp(-self.y)))",
        ),
        says="s' = y (1 - y) with y the output of forward, times dy",
        hint="self.y is already the sigmoid of x: the derivative is y (1 - y), without another sigmoid.",
    ),
    _sigmoid(
        "local-derivative-only",
        ("dy * self.y * (1.0 - self.y)", "self.y * (1.0 - self.y)"),
        says="s' = y (1 - y) with y the output of forward, times dy",
        hint="backward returns dL/dx: the local derivative times the upstream gradient dy.",
    ),
    _sigmoid(
        "derivative-with-a-plus",
        ("dy * self.y * (1.0 - self.y)", "dy * self.y * (1.0 + self.y)"),
        says="s' = y (1 - y) with y the output of forward, times dy",
        hint="σ' = y (1 - y): it is largest where y = 1/2 and vanishes where y is 0 or 1.",
    ),
    _sigmoid(
        "cache-on-the-class",
        (
            "self.y = np.where(x >= 0, 1.0, small) / (1.0 + small)\n        self.shape = x.shape\n"
            "        return self.y",
            "Sigmoid.y = np.where(x >= 0, 1.0, small) / (1.0 + small)\n        Sigmoid.shape = x.shape\n"
            "        return Sigmoid.y",
        ),
        says="both layers keep their values in one place: store them on self",
        hint="A class attribute is shared by all layers: the second layer's forward overwrites the first "
        "one's "
        "values.",
    ),
    _sigmoid(
        "always-float64",
        ("x = np.asarray(x)", "x = np.asarray(x, dtype=np.float64)"),
        says="float32",
        hint="float32 in, float32 out: do not convert what is a floating-point array already.",
    ),
    _tanh(
        "derivative-without-the-square",
        ("1.0 - self.y**2", "1.0 - self.y"),
        says="tanh' = 1 - y^2 with y the output of forward (mind the square)",
        hint="tanh' = 1 - tanh^2.",
    ),
    _tanh(
        "derivative-at-the-output",
        ("1.0 - self.y**2", "1.0 - np.tanh(self.y) ** 2"),
        says="tanh'",
        hint="self.y is already tanh(x): 1 - y^2, without another tanh.",
    ),
    _tanh(
        "local-derivative-only",
        ("return dy * (1.0 - self.y**2)", "return 1.0 - self.y**2 + 0 * dy"),
        says="times dy",
        hint="backward returns dL/dx: the local derivative times the upstream gradient dy.",
    ),
    _tanh(
        "one-over-cosh",
        ("        self.y = np.tanh(x)\n", "        self.x = np.asarray(x)\n        self.y = np.tanh(x)\n"),
        ("return dy * (1.0 - self.y**2)", "return dy / np.cosh(self.x) ** 2"),
        says="overflow",
        hint="1 / cosh^2 is right but cosh(1000) overflows; 1 - y^2 is the same and does not.",
    ),
    _tanh(
        "any-shape-of-dy",
        (_CHECKED, "dy = np.asarray(dy)"),
        says="backward before forward is refused",
        hint="A dy that merely broadcasts gives a dx of the wrong meaning. Compare its shape with the "
        "output's.",
    ),
    _relu(
        "switch-from-dy",
        ("return dy * self.mask", "return dy * (dy > 0)"),
        says="dy passes where x was positive in forward, and nowhere else",
        hint="The switch was set in the forward pass, by the sign of x.",
    ),
    _relu(
        "writes-into-x",
        ("return np.maximum(x, 0)", "x[x < 0] = 0\n        return x"),
        says="never write into an input: make a new array",
        hint="x belongs to the caller, perhaps as another layer's stored output. Make a new array.",
    ),
    _relu(
        "passes-everything-back",
        ("return dy * self.mask", "return dy"),
        says="dy passes where x was positive in forward, and nowhere else",
        hint="Where x was negative the output did not depend on it, so nothing flows back.",
    ),
    _relu(
        "derivative-only",
        ("return dy * self.mask", "return 1.0 * self.mask"),
        says="dy passes where x was positive in forward, and nowhere else",
        hint="backward returns dL/dx: dy where x was positive, not 1.",
    ),
    _relu(
        "cache-on-the-class",
        (
            "self.mask = x > 0\n        self.shape = x.shape",
            "ReLU.mask = x > 0\n        ReLU.shape = x.shape",
        ),
        says="store them on self, not on the class",
        hint="A class attribute is shared by all layers: the second layer's forward overwrites the first "
        "one's "
        "mask.",
    ),
    _relu(
        "clips-the-gradient-instead",
        ("return dy * self.mask", "return np.maximum(dy, 0)"),
        says="dy passes where x was positive in forward, and nowhere else",
        hint="backward is not forward applied to dy: it multiplies dy by the derivative at x.",
    ),
    _leaky(
        "no-slope-in-backward",
        ("np.where(self.mask, dy, self.alpha * dy)", "np.where(self.mask, dy, 0.0)"),
        says="the slope is 1 where x was positive and alpha elsewhere, times",
        hint="That is the backward of ReLU. Left of 0 the slope is alpha.",
    ),
    _leaky(
        "max-form",
        ("np.where(self.mask, x, self.alpha * x)", "np.maximum(self.alpha * x, x)"),
        says="x where x > 0, alpha x elsewhere: max(alpha x, x) is right for",
        hint="max(alpha x, x) picks the wrong branch for alpha > 1. Decide by the sign of x.",
    ),
    _leaky(
        "alpha-fixed",
        ("np.where(self.mask, x, self.alpha * x)", "np.where(self.mask, x, 0.01 * x)"),
        says="alpha = 1.5",
        hint="0.01 is only the default; use self.alpha.",
    ),
    _leaky(
        "slope-on-the-wrong-side",
        ("np.where(self.mask, dy, self.alpha * dy)", "np.where(self.mask, self.alpha * dy, dy)"),
        says="the slope is 1 where x was positive and alpha elsewhere, times",
        hint="The slope is 1 right of 0 and alpha left of it.",
    ),
    _leaky(
        "slope-by-the-sign-of-dy",
        ("np.where(self.mask, dy, self.alpha * dy)", "np.where(dy > 0, dy, self.alpha * dy)"),
        says="the slope is 1 where x was positive and alpha elsewhere, times",
        hint="The side is decided by x in the forward pass, not by dy.",
    ),
    _prelu(
        "dalpha-averaged",
        ("per_entry.sum().reshape(1)", "per_entry.mean().reshape(1)"),
        says="dalpha is the SUM of dy * x over all entries with x < 0 that",
        hint="All entries share the slope, so its gradient is the sum over them.",
    ),
    _prelu(
        "dalpha-without-x",
        ("np.where(self.x > 0, 0.0, dy * self.x)", "np.where(self.x > 0, 0.0, dy)"),
        says="dalpha is the SUM of dy * x over all entries with x < 0 that",
        hint="d(alpha x)/dalpha = x: multiply dy by x.",
    ),
    _prelu(
        "dalpha-from-all-entries",
        ("np.where(self.x > 0, 0.0, dy * self.x)", "dy * self.x"),
        says="dalpha is the SUM of dy * x over all entries with x < 0 that",
        hint="Where x is positive, alpha does not enter the output and receives nothing.",
    ),
    _prelu(
        "features-not-kept-apart",
        (_SUM, "self.dalpha = np.full(self.alpha.shape, per_entry.sum())"),
        says="dalpha is the SUM of dy * x over all entries with x < 0 that",
        hint="Each feature has a slope of its own: sum over the batch, not over the features.",
    ),
    _prelu(
        "sums-over-the-features",
        (_SUM, "self.dalpha = per_entry.sum(axis=1)"),
        says="dalpha is the SUM of dy * x over all entries with x < 0 that",
        hint="Sum over the batch (and all other axes), not over axis 1, along which the features lie.",
    ),
    _prelu(
        "batch-axis-only",
        (_SUM, "self.dalpha = per_entry.sum(axis=0)"),
        says="dalpha",
        hint="With images [N, C, H, W] the slope of a channel is shared by all pixels: sum over every "
        "axis but 1.",
    ),
    _prelu(
        "max-form",
        (
            "np.where(self.x > 0, self.x, self.slopes(self.x) * self.x)",
            "np.maximum(self.x, self.slopes(self.x) * self.x)",
        ),
        says="max(alpha x, x)",
        hint="max(alpha x, x) picks the wrong branch for alpha > 1. Decide by the sign of x.",
    ),
    _prelu(
        "dalpha-accumulates",
        ("self.dalpha = per_entry.sum().reshape(1)", "self.dalpha = self.dalpha + per_entry.sum()"),
        says="it does not add to it",
        hint="backward sets the gradient of this batch. Adding up over batches is not its business.",
    ),
    _elu(
        "cases-exchanged",
        (
            "np.where(x > 0, 1.0, self.alpha * np.exp(negative))",
            "np.where(x > 0, self.alpha * np.exp(negative), 1.0)",
        ),
        says="the slope is 1 where x > 0 and alpha exp(x) elsewhere, times dy",
        hint="The slope is 1 right of 0 and alpha e^x left of it. One printed source has the cases "
        "exchanged.",
    ),
    _elu(
        "slope-without-alpha",
        ("np.where(x > 0, 1.0, self.alpha * np.exp(negative))", "np.where(x > 0, 1.0, np.exp(negative))"),
        says="the slope is 1 where x > 0 and alpha exp(x) elsewhere, times dy",
        hint="The derivative of alpha (e^x - 1) is alpha e^x.",
    ),
    _elu(
        "value-without-alpha",
        ("self.alpha * np.expm1(negative)", "np.expm1(negative)"),
        says="alpha (exp(x) - 1) for x <= 0",
        hint="Left of 0 the value is alpha (e^x - 1).",
    ),
    _elu(
        "slope-is-value-plus-1",
        ("self.alpha * np.exp(negative)", "self.alpha * np.expm1(negative) + 1.0"),
        says="the slope is 1 where x > 0 and alpha exp(x) elsewhere, times dy",
        hint="The slope is y + alpha, which is y + 1 for alpha = 1 only.",
    ),
    _elu(
        "overflows",
        ("negative = np.minimum(x, 0)", "negative = x"),
        says="overflow",
        hint="np.where evaluates both branches: exp(1000) overflows although its result is not used. Take "
        "exp of "
        "min(x, 0).",
    ),
    _elu(
        "slope-of-relu",
        ("return dy * self.slope", "return dy * (self.slope == 1.0)"),
        says="the slope is 1 where x > 0 and alpha exp(x) elsewhere, times dy",
        hint="Left of 0 the ELU still has a slope, alpha e^x.",
    ),
    _maxout(
        "gradient-to-all-pieces",
        ("to_piece = dy[None] * self.wins", "to_piece = dy[None] * np.ones_like(self.wins)"),
        says="back through the weights of the piece that won, for each",
        hint="Only the largest piece determined the output, so only it receives the gradient.",
    ),
    _maxout(
        "sum-of-the-pieces",
        ("y = pieces.max(axis=0)", "y = pieces.sum(axis=0)"),
        says="for each example and output the LARGEST of the k values x W[k]",
        hint="The output is the largest of the k affine maps, not their sum.",
    ),
    _maxout(
        "largest-in-magnitude",
        ("winner = pieces.argmax(axis=0)", "winner = np.abs(pieces).argmax(axis=0)"),
        says="Exercise 5: Maxout",
        hint="The largest piece wins, not the one farthest from 0.",
    ),
    _maxout(
        "one-winner-per-example",
        (
            "winner = pieces.argmax(axis=0)",
            "winner = np.repeat(pieces.sum(axis=2).argmax(axis=0)[:, None], pieces.shape[2], axis=1)",
        ),
        says="N = 4, d_in = 5",
        hint="Every output has a winner of its own: take the argmax over the pieces for each [n, o].",
    ),
    _maxout(
        "averages-over-the-batch",
        ("self.db = to_piece.sum(axis=1)", "self.db = to_piece.mean(axis=1)"),
        says="db",
        hint="The gradient of a bias is the sum over the batch; the 1/N belongs to the loss.",
    ),
    _maxout(
        "bias-forgotten",
        (" + self.b[:, None, :]", ""),
        says="forward: the largest of the k affine maps",
        hint="Each piece is x W[k] + b[k].",
    ),
    _maxout(
        "gradients-accumulate",
        ("self.db = to_piece.sum(axis=1)", "self.db = self.db + to_piece.sum(axis=1)"),
        says="it sets dW and db and does not add to them",
        hint="backward sets the gradients of this batch.",
    ),
    _maxout(
        "input-not-checked",
        ("if x.ndim != 2 or x.shape[1] != self.W.shape[1]:", "if x.ndim != 2:"),
        says="also one that would broadcast (einsum does)",
        hint="einsum repeats an axis of length 1 without a word: compare x.shape[1] with d_in yourself.",
    ),
]
