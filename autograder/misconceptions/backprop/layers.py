"""Wrong answers to exercise 6: the affine layer and the losses."""

from __future__ import annotations

from autograder.misconceptions.writing import wrongs_of

_linear = wrongs_of("ex6-linear")
_softmax = wrongs_of("ex6-softmax-cross-entropy")
_mse = wrongs_of("ex6-mse")
_bce = wrongs_of("ex6-bce")

MISCONCEPTIONS = [
    _linear(
        "db-averaged",
        ("dy.sum(axis=0)", "dy.mean(axis=0)"),
        says="db is the SUM of dy over the batch",
        hint="db is the sum over the batch. The 1/N is in dy already, because the loss is a mean.",
    ),
    _linear(
        "dw-divided-by-n",
        ("self.dW = self.x.T @ dy", "self.dW = self.x.T @ dy / len(dy)"),
        says="dW",
        hint="The 1/N is in dy already, because the loss is a mean: dividing again makes it 1/N^2.",
    ),
    _linear(
        "dw-transposed",
        ("self.dW = self.x.T @ dy", "self.dW = dy.T @ self.x"),
        says="dW = x^T dy: the batch axis is summed away, without a 1/N",
        hint="dW has the shape of W, [d_in, d_out]: x^T dy. The other order belongs to examples stored as "
        "columns.",
    ),
    _linear(
        "dx-without-transpose",
        (
            "return dy @ self.W.T",
            "return dy @ self.W if len(self.W) == self.W.shape[1] else dy @ self.W.reshape(self.W.T.shape)",
        ),
        says="back through the weights: dx = dy W^T",
        hint="Back through the layer the weights act transposed: dx = dy W^T.",
    ),
    _linear(
        "gradients-accumulate",
        ("self.db = dy.sum(axis=0)", "self.db = getattr(self, 'db', 0) + dy.sum(axis=0)"),
        says="backward belongs to the last forward pass; it sets dW and db",
        hint="backward sets the gradients of this batch; adding would mix in those of earlier steps.",
    ),
    _linear(
        "variance-for-standard-deviation",
        ("np.sqrt(gain / d_in)", "gain / d_in"),
        says="the standard deviation is its square root",
        hint="gain / d_in is the variance. rng.normal wants the standard deviation, its square root.",
    ),
    _linear(
        "scaled-by-the-outputs",
        ("np.sqrt(gain / d_in)", "np.sqrt(gain / d_out)"),
        says="the spread of W",
        hint="A unit sums over its d_in inputs, so the variance is divided by d_in.",
    ),
    _linear(
        "uniform-weights",
        (
            "rng.normal(0.0, np.sqrt(gain / d_in), size=(d_in, d_out))",
            "np.sqrt(gain / d_in) * rng.uniform(-np.sqrt(3), np.sqrt(3), size=(d_in, d_out))",
        ),
        says="W is not normally distributed",
        hint="The exercise asks for a normal distribution: rng.normal.",
    ),
    _linear(
        "own-random-numbers",
        ("rng.normal(0.0,", "np.random.default_rng().normal(0.0,"),
        says="draw from the rng that is handed in",
        hint="Draw from the generator that the caller hands in; otherwise no run can be repeated.",
    ),
    _linear(
        "steps-in-backward",
        ("return dy @ self.W.T", "self.W = self.W - 0.1 * self.dW\n        return dy @ self.W.T"),
        says="dx",
        hint="backward only computes gradients. If the weights change here, layers before see the new ones.",
    ),
    _softmax(
        "gradient-without-1-over-n",
        ("return grad / len(self.y)", "return grad"),
        says="(softmax - one-hot) / N",
        hint="The loss is a mean over N examples, so each row of its gradient carries 1/N.",
    ),
    _softmax(
        "overflows",
        ("shifted = logits - logits.max(axis=1, keepdims=True)", "shifted = logits"),
        says="overflow",
        hint="exp(10000) overflows. Subtracting the row's largest logit changes nothing in the softmax "
        "and keeps "
        "exp <= 1.",
    ),
    _softmax(
        "log-of-a-rounded-0",
        (
            "log_p = shifted - log_sum",
            "log_p = np.log(np.exp(shifted) / np.exp(shifted).sum(axis=1, keepdims=True))",
        ),
        says="take log p without log(0)",
        hint="A probability of e^-10000 is rounded to 0, and its log is -inf. Compute log p = z - max - "
        "log sum exp.",
    ),
    _softmax(
        "softmax-over-the-batch",
        ("logits.max(axis=1, keepdims=True)", "logits.max(axis=0, keepdims=True)"),
        ("np.exp(shifted).sum(axis=1, keepdims=True)", "np.exp(shifted).sum(axis=0, keepdims=True)"),
        says="Exercise 6: softmax cross-entropy",
        hint="The classes lie along axis 1: each row is a distribution.",
    ),
    _softmax(
        "changes-what-it-kept",
        ("grad = self.probabilities.copy()", "grad = self.probabilities"),
        says="backward changed what forward had kept (`p[rows, y] -= 1` on",
        hint="grad is the cached array itself: the second call subtracts 1 again. Copy it first.",
    ),
    _softmax(
        "softmax-twice",
        (
            "shifted = logits - logits.max",
            "logits = np.exp(logits - logits.max(axis=1, keepdims=True))\n"
            "        logits = logits / logits.sum(axis=1, keepdims=True)\n"
            "        shifted = logits - logits.max",
        ),
        says="(softmax - one-hot) / N",
        hint="The loss takes logits and applies softmax itself; here softmax is applied to probabilities "
        "again.",
    ),
    _softmax(
        "sum-instead-of-mean",
        ("y].mean())", "y].sum())"),
        says="(softmax - one-hot) / N",
        hint="The loss is the mean over the batch; as a sum it would grow with the batch size.",
    ),
    _softmax(
        "takes-negative-labels",
        (" or y.min() < 0", ""),
        says="a label -1",
        hint="NumPy takes index -1 for the last class without a word. Refuse labels outside of 0 ... K-1.",
    ),
    _mse(
        "gradient-without-2",
        (
            "return 2.0 * self.difference / len(self.difference)",
            "return self.difference / len(self.difference)",
        ),
        says="sum the squares over the K outputs, average over the N",
        hint="The derivative of (f - y)^2 is 2 (f - y); without the 1/2 in the loss the 2 stays.",
    ),
    _mse(
        "mean-over-all-entries",
        ("(self.difference**2).sum() / len(f)", "(self.difference**2).mean()"),
        says="sum the squares over the K outputs, average over the N",
        hint="Here the squares are summed over the outputs and averaged over the examples only.",
    ),
    _mse(
        "gradient-divided-by-all-entries",
        ("/ len(self.difference)\n", "/ self.difference.size\n"),
        says="sum the squares over the K outputs, average over the N",
        hint="The loss divides by N, the number of rows; the gradient has to do the same.",
    ),
    _mse(
        "sum-over-everything",
        ("(self.difference**2).sum() / len(f)", "(self.difference**2).sum()"),
        says="sum the squares over the K outputs, average over the N",
        hint="Divide by the number of examples.",
    ),
    _mse(
        "broadcasts-silently",
        (" or f.shape != y.shape", ""),
        says="also where it would broadcast",
        hint="[N, K] minus [N, 1] is no error in NumPy, but no error of yours should be silent: compare "
        "shapes.",
    ),
    _mse(
        "sign-of-the-difference",
        ("self.difference = f - y", "self.difference = y - f"),
        says="sum the squares over the K outputs, average over the N",
        hint="The loss does not feel the sign, the gradient does: f - y.",
    ),
    _bce(
        "log-of-the-sigmoid",
        (
            "return float((np.maximum(z, 0) - z * y + np.log1p(np.exp(-np.abs(z)))).mean())",
            "p = 1.0 / (1.0 + np.exp(-z))\n"
            "        return float(-(y * np.log(p) + (1 - y) * np.log(1 - p)).mean())",
        ),
        says="overflow",
        hint="For large |z| the sigmoid is rounded to 0 or 1 and its log is -inf. Simplify before you "
        "compute.",
    ),
    _bce(
        "gradient-without-1-over-n",
        ("(sigma - self.y) / len(self.y)", "sigma - self.y"),
        says="(s(z) - y) / N",
        hint="The loss is a mean over N examples, so its gradient carries 1/N.",
    ),
    _bce(
        "gradient-with-the-logit",
        ("(sigma - self.y) / len(self.y)", "(self.z - self.y) / len(self.y)"),
        says="(s(z) - y) / N",
        hint="Probability minus truth: σ(z) - y, not z - y.",
    ),
    _bce(
        "extra-sigmoid-derivative",
        ("(sigma - self.y) / len(self.y)", "(sigma - self.y) * sigma * (1 - sigma) / len(self.y)"),
        says="(s(z) - y) / N",
        hint="σ' cancels against the derivative of the log: what remains is σ(z) - y.",
    ),
    _bce(
        "takes-any-label",
        (
            "        if y.min() < 0 or y.max() > 1:\n"
            '            raise ValueError("labels must lie in [0, 1]")\n',
            "",
        ),
        says="a label 2",
        hint="A label of 2 gives a loss below 0 without a word. Refuse labels outside of [0, 1].",
    ),
    _bce(
        "sum-instead-of-mean",
        ("np.exp(-np.abs(z)))).mean())", "np.exp(-np.abs(z)))).sum())"),
        says="(s(z) - y) / N",
        hint="The loss is the mean over the batch.",
    ),
    _softmax(
        "backward-without-forward",
        ('        if self.probabilities is None:\n            raise ValueError("backward() before forward()")\n', ""),
        says="there is nothing to differentiate yet",
        hint="Before forward there is no loss: raise ValueError, so that the caller learns why.",
    ),
    _mse(
        "backward-without-forward",
        ('        if self.difference is None:\n            raise ValueError("backward() before forward()")\n', ""),
        says="there is nothing to differentiate yet",
        hint="Before forward there is no loss: raise ValueError, so that the caller learns why.",
    ),
    _bce(
        "backward-without-forward",
        ('        if self.z is None:\n            raise ValueError("backward() before forward()")\n', ""),
        says="there is nothing to differentiate yet",
        hint="Before forward there is no loss: raise ValueError, so that the caller learns why.",
    ),
]
